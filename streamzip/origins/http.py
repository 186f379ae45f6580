"""Files on the web: one GET per attempt, and its answer judged before a byte of it counts.

What an origin says is not believed where it can be checked: its status, range, length and encoding must agree with what
was asked and with each other, and the bytes are counted.
"""

import copy
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from streamzip.clock import RateLimit
from streamzip.errors import OriginError, UnusableRange
from streamzip.manifest.fields import Fields
from streamzip.net.port import Stream
from streamzip.origins.answers import unusable
from streamzip.origins.counting import CountedChunks, LimitedChunks, Pace
from streamzip.origins.encoded import DECODABLE, DecodedChunks, decoded
from streamzip.origins.fetch import Fetched, Fetcher
from streamzip.origins.gate import Waiting
from streamzip.origins.kinds import is_beyond_end, is_over_time, refuses_range
from streamzip.origins.port import Facts, Opened, Validator
from streamzip.origins.recent import Recent
from streamzip.origins.sightings import Sightings
from streamzip.spans import Data
from streamzip.urls.urls import origin_of

# As browsers ask for a page: some hosts give programs that take anything another one, or none.
_PAGE_FIELDS: Final[Fields] = (("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),)
_SMALLEST_PART: Final = 16 << 10  # bytes: of smaller ones a large file would take thousands of requests
_REMEMBERED: Final = 600.0  # seconds that an origin is asked for no range after it could not answer one


@dataclass(frozen=True, slots=True)
class Page:
    """A whole answer: where it was found, what it says it is, and its bytes."""

    url: str
    content_type: str | None
    body: bytes


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a file was found at the end of its redirects, and which version of it."""

    url: str
    validator: Validator
    left_home: bool


class HttpSource:
    """Sources of http: and https:. `pace`: what their bodies must keep; `limit`: how fast all of them are taken.
    `doubts`: when tags of an origin were last seen to change with the same file, in this and the other workers.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        limit: RateLimit | None = None,
        doubts: Sightings | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._pace = pace
        self._limit = limit
        self._rangeless: Recent[str, bool] = Recent(4096, _REMEMBERED)
        # By URL: a pinned version, and what came in its place.
        self._others: Recent[str, tuple[Validator, Facts]] = Recent(4096, _REMEMBERED)
        self._doubts = Sightings() if doubts is None else doubts
        self._ranged: Recent[str, bool] = Recent(4096, _REMEMBERED)  # one bad file does not take it from the others
        self._targets: Recent[tuple[str, Fields], _Target] = Recent(4096, _REMEMBERED)

    def with_fields(self, fields: Fields, *, decode: bool = False) -> "HttpSource":
        """Return this source for one entry, whose header fields go to its own origin."""
        bound = copy.copy(self)
        bound._fetcher = self._fetcher.with_fields(fields, decodable=DECODABLE if decode else frozenset())
        return bound

    def origin(self, url: str) -> str:
        """Return the `host:port` that `url` names. Raises OriginError."""
        try:
            return origin_of(url)
        except ValueError as error:
            raise OriginError("unsafe_url", str(error)) from error

    def waiting(self) -> list[Waiting]:
        """Return the origins that requests wait for because they refuse some."""
        return self._fetcher.gate.waiting()

    async def probe(self, url: str, *, keep: int = 0, patient: bool = True) -> Facts:
        """Return the facts of the file at `url`, and its body where it has at most `keep` bytes. Raises OriginError.

        GET and not HEAD, because a presigned URL is bound to its method; a range, so that no more comes than is wanted.
        Where the answer to that does not prove the file's size, the file itself is asked for.
        """
        if self._rangeless.get(_origin(url)):
            return self.judged(url, await self._probe_plainly(url, keep, patient=patient))
        asked = keep + 1  # so that a file of just `keep` bytes is seen to end before what was asked for
        try:
            span = f"bytes=0-{asked - 1}"
            fetched = await _ranged(self._fetcher.fetch(url, ("Range", span), patient=patient))
            try:
                facts = await self._learn(fetched, keep, asked)
            finally:
                await fetched.aclose()
        except UnusableRange as unusable:
            # Of a file of one byte no range can be seen to end early: its byte comes now, and need not come again.
            facts = self.judged(url, await self._probe_plainly(url, max(1, keep), patient=patient))
            claimed = 0 if is_beyond_end(unusable) else unusable.size
            if (claimed is None or claimed != facts.size) and not self._ranged.get(_origin(url)):
                self._rangeless.put(_origin(url), True)
            return facts
        if facts.ranges:
            self._ranged.put(_origin(url), True)
        self.remember(url, fetched, facts)
        return self.judged(url, facts)

    async def _probe_plainly(self, url: str, keep: int, *, patient: bool) -> Facts:
        """Ask for the file itself, where the answer to a range proved nothing."""
        fetched = await self._fetcher.fetch(url, patient=patient)
        try:
            size = fetched.head.whole_length()
            facts = fetched.head.facts(size=None if fetched.head.compressions else size, ranges=False)
            self.remember(url, fetched, facts)
            return await self._keep(facts, fetched.stream, keep)
        finally:
            await fetched.aclose()

    def open(
        self,
        url: str,
        *,
        start: int = 0,
        stop: int | None = None,
        pin: Validator | None = None,
        within: float | None = None,
    ) -> AbstractAsyncContextManager[Opened]:
        """Return the bytes `[start, stop)` of the file, or the whole of it where its origin prefers that; see
        Source.open.
        """
        return _Opening(self, url, start, stop, pin, within)

    def fetch(
        self, url: str, pin: Validator | None, *fields: tuple[str, str], within: float | None = None
    ) -> Awaitable[Fetched]:
        """Ask for the pinned version where it was found last, and at the URL itself where that fails."""
        target = self._targets.get((url, self._fetcher.at_home))
        if target is None or target.validator != pin:
            return self._fetcher.fetch(url, *fields, within=within)
        return self._fetch_at(target, url, *fields, within=within)

    async def _fetch_at(self, target: _Target, url: str, *fields: tuple[str, str], within: float | None) -> Fetched:
        self._targets.forget((url, self._fetcher.at_home))  # until the answer is seen to be the one
        try:
            fetched = await self._fetcher.fetch(target.url, *fields, away=target.left_home, within=within)
        except OriginError as error:
            if within is not None and is_over_time(error):
                raise  # the time is over
        else:
            if fetched.head.version(size=None, ranges=False).validator == target.validator:
                return fetched
            await fetched.discard()
        return await self._fetcher.fetch(url, *fields, within=within)

    def remember(self, url: str, fetched: Fetched, facts: Facts) -> None:
        """Remember where a version of the file was found, if that was elsewhere: another time the URL may lead to
        another mirror.
        """
        if fetched.url != url and facts.validator is not None and facts.validator.strong:
            target = _Target(fetched.url, facts.validator, fetched.left_home)
            self._targets.put((url, self._fetcher.at_home), target)

    def note_other(self, url: str, pin: Validator, facts: Facts) -> None:
        """Note that this came in place of the pinned version. Where it is another one each time, of one size or always
        of none, or comes without an ETag, the origin's ETags tell nothing: it makes a new one for every answer, each of
        its nodes has its own, or some answers have none. `judged` looks for one that comes back.
        """
        before, validator = self._others.get(url), facts.validator
        untagged = validator is None or not validator.strong
        if before is not None and facts.size == before[1].size and (untagged or validator != before[1].validator):
            self._doubt(url)
        self._others.put(url, (pin, facts))

    def judged(self, url: str, facts: Facts) -> Facts:
        """Return the facts, their validator as weak as its origin has made it."""
        validator, other = facts.validator, self._others.get(url)
        if validator is None or not validator.strong:
            return facts
        if other is not None and other[0] == validator and other[1].size in (None, facts.size):
            self._doubt(url)  # the pinned tag again, after another one: as of Apache, which adds -gzip to some
        if not self._is_doubted(url):
            return facts
        return facts._replace(validator=validator._replace(strong=False))

    def _doubt(self, url: str) -> None:
        self._doubts.note(Sightings.place(_origin(url)), time.monotonic())

    def _is_doubted(self, url: str) -> bool:
        return self._doubts.lately(Sightings.place(_origin(url)), time.monotonic(), _REMEMBERED)

    async def page(self, url: str, *, most: int) -> Page:
        """Return what is found at `url` at the end of the redirects, its first `most` bytes at least. Raises
        OriginError.
        """
        fetched = await self._fetcher.with_fields(_PAGE_FIELDS, decodable=DECODABLE).fetch(url)
        body = await self._begin(fetched, most)
        for coding in fetched.head.compressions:
            body = decoded(body, coding, most=most)
        return Page(fetched.url, fetched.head.field(b"content-type"), body)

    async def whole(self, url: str, *, most: int) -> bytes:
        """Return what lies at `url`, its first `most` bytes at least. Raises OriginError."""
        return await self._begin(await self._fetcher.fetch(url), most)

    async def _begin(self, fetched: Fetched, most: int) -> bytes:
        """Return the body, or more than `most` bytes of it, and be done with the answer."""
        body = bytearray()
        try:
            async for chunk in self.counted(fetched.stream, fetched.head.length):
                body += chunk
                if len(body) > most:
                    break
        finally:
            await fetched.aclose()
        return bytes(body)

    def counted(self, stream: Stream, expected: int | None) -> AsyncIterator[Data]:
        """Return the body, its bytes and their pace watched."""
        chunks = CountedChunks(stream, expected, self._pace)
        return chunks if self._limit is None else LimitedChunks(chunks, self._limit)

    async def _learn(self, fetched: Fetched, keep: int, asked: int) -> Facts:
        """Return the facts in the answer to a range of the file's first `asked` bytes.

        Some origins answer with the slice as if it were the file: a 200 of as many bytes as were asked for, or a 206
        whose total is where the slice ends. Raises UnusableRange where the answer does not prove a size.
        """
        head = fetched.head
        if head.compressions:  # its length and its ranges are not the file's
            await fetched.discard()
            return head.facts(size=None, ranges=False)
        if head.status == 206:
            part = head.content_range()
            if part.start != 0 or part.stop > asked:
                raise unusable("it brings another part than was asked for")
            if part.size == part.stop == asked:
                raise unusable("its total is where the part ends", size=part.size)
            facts = head.facts(size=part.size, ranges=True)
            if part.size is None or part.size > keep or part.stop < part.size:
                await fetched.discard()
                return facts
            return await self._keep(facts, fetched.stream, keep)
        if head.length == asked or head.field(b"content-range") is not None:
            raise unusable("it may be a slice of the file", size=head.length)
        return await self._keep(head.facts(size=head.length, ranges=False), fetched.stream, keep)

    async def _keep(self, facts: Facts, stream: Stream, keep: int) -> Facts:
        """Return the facts, with the body where it is the whole file and has at most `keep` bytes."""
        if facts.size is None or facts.size > keep:
            return facts
        body = b"".join([chunk async for chunk in self.counted(stream, facts.size)])
        return facts._replace(body=body)


class _Opening(AbstractAsyncContextManager[Opened]):
    """One exchange, from its head on entry to the end of its connection, or its return to the pool, on exit."""

    def __init__(
        self,
        source: HttpSource,
        url: str,
        start: int,
        stop: int | None,
        pin: Validator | None,
        within: float | None,
    ) -> None:
        self._source = source
        self._url = url
        self._start = start
        self._stop = stop
        self._pin = pin
        self._within = within
        self._fetched: Fetched | None = None

    async def __aenter__(self) -> Opened:
        ranged = self._start > 0 or self._stop is not None
        try:
            if ranged:
                asking = self._source.fetch(self._url, self._pin, *self._range(), within=self._within)
                fetched = await _ranged(asking)
            else:
                fetched = await self._source.fetch(self._url, self._pin, within=self._within)
        except OriginError as error:
            if is_beyond_end(error):
                error.code, error.transient = "changed", True
                error.message = "the file at the origin ends before the wanted part"
            raise
        head = fetched.head
        try:
            opened = self._part(fetched) if ranged and head.status == 206 else self._whole(fetched)
        except BaseException:
            await fetched.aclose()
            raise
        if opened.facts.validator == self._pin:
            self._source.remember(self._url, fetched, opened.facts)
        elif self._pin is not None and self._pin.strong:
            self._source.note_other(self._url, self._pin, opened.facts)
        self._fetched = fetched
        return opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fetched is not None:
            await self._fetched.aclose()

    def _range(self) -> list[tuple[str, str]]:
        last = "" if self._stop is None else self._stop - 1
        fields = [("Range", f"bytes={self._start}-{last}")]
        if self._pin is not None and self._pin.strong:
            fields.append(("If-Range", self._pin.value))
        return fields

    def _part(self, fetched: Fetched) -> Opened:
        head, part = fetched.head, fetched.head.content_range()
        if head.compressions:
            raise unusable("it is a part of what it compressed")
        if part.start != self._start or (self._stop is not None and part.stop > self._stop):
            raise unusable("it brings another part than was asked for")
        # A total where the part itself ends proves nothing: some origins take the slice for the file.
        proven = part.size if part.size is None or part.size > part.stop else None
        facts = head.version(size=proven, ranges=True)
        if self._pin is not None and self._pin.strong and facts.validator != self._pin:
            self._source.note_other(self._url, self._pin, head.version(size=part.size, ranges=True))
            # If-Range should have made it the whole file. Without proof of the version there is no joining the two.
            raise OriginError("changed", "the origin answered with a part of another version", transient=True)
        wanted = min((end for end in (self._stop, part.size) if end is not None), default=part.stop)
        chunks = self._source.counted(fetched.stream, part.stop - self._start)
        if part.stop == wanted:
            return Opened(facts, self._start, chunks, fetched.waited)
        # Less than was asked for, as an origin may choose (RFC 9110 §15.3.7): the rest is asked for next. Where that
        # would take too many requests, the file without a range costs less.
        if part.stop - self._start < _SMALLEST_PART:
            raise unusable("its part is a small piece of what was asked for")
        return Opened(facts, self._start, chunks, fetched.waited, ends=part.stop)

    def _whole(self, fetched: Fetched) -> Opened:
        # In answer to a range it may be a slice, which only who knows the file's size can tell.
        head, length = fetched.head, fetched.head.whole_length()
        chunks = self._source.counted(fetched.stream, length)
        for coding in head.compressions:
            return Opened(head.version(size=None, ranges=False), 0, DecodedChunks(chunks, coding), fetched.waited)
        return Opened(head.version(size=length, ranges=head.takes_ranges), 0, chunks, fetched.waited)


async def _ranged(fetching: Awaitable[Fetched]) -> Fetched:
    """Return the answer to a range. Raises UnusableRange where the origin refused it."""
    try:
        return await fetching
    except OriginError as error:
        if not refuses_range(error):
            raise
        raise UnusableRange(error.code, error.message, transient=error.transient) from error


def _origin(url: str) -> str:
    try:
        return origin_of(url)
    except ValueError:  # judged, and refused, when it is asked
        return ""
