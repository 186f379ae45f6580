"""Files on the web: one GET per attempt, and its answer judged before a byte of it counts.

What an origin says is not believed where it can be checked: its status, range, length and encoding must agree with what
was asked and with each other, and the bytes are counted.
"""

import asyncio
import contextlib
import copy
import re
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType

import httpx

from streamzip.errors import OriginError
from streamzip.manifest.addresses import Exempt
from streamzip.manifest.fields import Fields
from streamzip.manifest.urls import check_url, origin_of
from streamzip.net.addresses import BlockedAddressError
from streamzip.net.exchange import Body
from streamzip.net.retry import retry_after
from streamzip.net.transport import OriginTransport
from streamzip.sources.answers import Head, bad_answer
from streamzip.sources.base import Facts, Opened, Validator
from streamzip.sources.counting import CountedChunks, Pace

MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_SUCH_RANGE = "http_416"
_RFC_3986 = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")

# A body nobody wants is read to its end where it is small and comes at once: that is cheaper than a new connection.
_SMALL = 65 << 10
_AT_ONCE = 1.0


@dataclass(frozen=True, slots=True)
class Page:
    """A whole answer: where it was found, what it says it is, and its bytes."""

    url: str
    content_type: str | None
    body: bytes


class HttpSource:
    """Sources of http: and https:. `allow`: origins and networks that may have private addresses; `pace`: what their
    bodies must keep.
    """

    def __init__(
        self,
        transport: OriginTransport,
        *,
        allow: Exempt,
        pace: Pace = Pace(),  # noqa: B008 - frozen
        user_agent: str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._allow = allow
        self._pace = pace
        self._wall = wall
        # All that an origin is told. Of the client that asked for the archive it learns nothing.
        self._fields = (
            ("User-Agent", user_agent or own_name()),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
        )
        self._at_home: Fields = self._fields  # what the URL's own origin is told, and none that it redirects to

    def with_fields(self, fields: Fields) -> "HttpSource":
        """This source for one entry, whose header fields go to its own origin."""
        bound = copy.copy(self)
        names = {name.lower() for name, _ in fields}
        bound._at_home = (*(each for each in self._fields if each[0].lower() not in names), *fields)
        return bound

    async def probe(self, url: str, *, keep: int = 0) -> Facts:
        """The facts of the file at `url`, and its body where it has at most `keep` bytes. Raises OriginError.

        GET and not HEAD, because a presigned URL is bound to its method; a range, so that no more comes than is wanted.
        Where the answer to that does not prove the file's size, the file itself is asked for.
        """
        asked = keep + 1  # so that a file of just `keep` bytes is seen to end before what was asked for
        try:
            head, stream = await self.get(url, ("Range", f"bytes=0-{asked - 1}"))
        except OriginError as error:
            # An empty file has no first byte: S3 and Starlette answer so. A plain GET tells it from a confused origin.
            if error.code != _NO_SUCH_RANGE:
                raise
        else:
            try:
                facts = await self._learn(head, stream, keep, asked)
            finally:
                await stream.aclose()
            if facts is not None:
                return facts
        return await self._probe_plainly(url, keep)

    async def _probe_plainly(self, url: str, keep: int) -> Facts:
        """Ask for the file itself, where the answer to a range proved nothing."""
        head, stream = await self.get(url)
        try:
            if head.status == 206:
                raise bad_answer("it brings a part where the whole file was asked for")
            return await self._keep(head.facts(size=head.length, ranges=False), stream, keep)
        finally:
            await stream.aclose()

    def open(
        self, url: str, *, start: int = 0, stop: int | None = None, pin: Validator | None = None
    ) -> AbstractAsyncContextManager[Opened]:
        """The bytes `[start, stop)` of the file, or the whole of it where its origin prefers that; see Source.open."""
        return _Opening(self, url, start, stop, pin)

    async def get(self, url: str, *fields: tuple[str, str]) -> tuple[Head, Body]:
        """The file's answer at the end of the redirects, its body to be closed by the caller. Raises OriginError."""
        _, head, stream = await self._arrive(url, fields)
        return head, stream

    async def page(self, url: str, *, most: int) -> Page:
        """What is found at `url` at the end of the redirects, its first `most` bytes at least. Raises OriginError."""
        found, head, stream = await self._arrive(url, ())
        body = bytearray()
        try:
            async for chunk in self.counted(stream, head.length):
                body += chunk
                if len(body) > most:
                    break
        finally:
            await stream.aclose()
        return Page(found, head.field(b"content-type"), bytes(body))

    async def _arrive(self, url: str, fields: tuple[tuple[str, str], ...]) -> tuple[str, Head, Body]:
        """Follow the redirects to a file's answer, and say where that was.

        Every hop goes through the same door: judged as a URL here, and as an address when it is dialled.
        """
        told, home = self._at_home, url
        for _ in range(MAX_REDIRECTS + 1):
            head, stream = await self._hop(url, (*told, *fields))
            if head.status not in _REDIRECTS:
                break
            await _discard(head, stream)
            url = _follow(url, head)
            if told is not self._fields and not _same_origin(home, url):
                told = self._fields  # for good: also where it redirects back
        else:
            raise OriginError("too_many_redirects", f"the origin redirected more than {MAX_REDIRECTS} times")
        try:
            head.check_file()
        except OriginError as error:
            error.retry_after = self._asked_wait(head)
            await _discard(head, stream)
            raise
        return url, head, stream

    async def _hop(self, url: str, fields: tuple[tuple[str, str], ...]) -> tuple[Head, Body]:
        self._check(url)
        try:
            answer = await self._transport.get(written(url), fields)
        except BlockedAddressError as error:
            raise OriginError("blocked_address", str(error)) from error
        except httpx.TimeoutException as error:
            raise OriginError("timed_out", str(error), transient=True) from error
        except httpx.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise OriginError("unreachable", "the origin's certificate is not trusted") from error
            raise OriginError("unreachable", str(error), transient=True) from error
        except httpx.ReadError as error:
            raise OriginError("unreachable", str(error), transient=True) from error
        except httpx.RemoteProtocolError as error:
            raise bad_answer("it is not HTTP, or its head is too large") from error
        return Head(answer.status, answer.fields), answer.stream

    def _check(self, url: str) -> None:
        try:
            check_url(url, self._allow)
        except ValueError as error:
            raise OriginError("blocked_address" if _is_well_formed(url) else "unsafe_url", str(error)) from error

    def _asked_wait(self, head: Head) -> float | None:
        text = head.field(b"retry-after")
        return None if text is None else retry_after(text, self._wall())

    def counted(self, stream: Body, expected: int | None) -> CountedChunks:
        """The body, its bytes and their pace watched."""
        return CountedChunks(stream, expected, self._pace)

    async def _learn(self, head: Head, stream: Body, keep: int, asked: int) -> Facts | None:
        """The facts in the answer to a range of the file's first `asked` bytes; None where it does not prove a size.

        Some origins answer with the slice as if it were the file: a 200 of as many bytes as were asked for, or a 206
        whose total is where the slice ends.
        """
        if head.status == 206:
            part = head.content_range()
            if part.start != 0 or part.stop > asked:
                raise bad_answer("it brings another part than was asked for")
            if part.size == part.stop == asked:
                return None
            facts = head.facts(size=part.size, ranges=True)
            if part.size is None or part.size > keep or part.stop < part.size:
                await _discard(head, stream)
                return facts
            return await self._keep(facts, stream, keep)
        if head.length == asked or head.field(b"content-range") is not None:
            return None
        return await self._keep(head.facts(size=head.length, ranges=False), stream, keep)

    async def _keep(self, facts: Facts, stream: Body, keep: int) -> Facts:
        """The facts, with the body where it is the whole file and has at most `keep` bytes."""
        if facts.size is None or facts.size > keep:
            return facts
        body = b"".join([chunk async for chunk in self.counted(stream, facts.size)])
        return facts._replace(body=body)


class _Opening(AbstractAsyncContextManager[Opened]):
    """One exchange, from its head on entry to the end of its connection, or its return to the pool, on exit."""

    def __init__(self, source: HttpSource, url: str, start: int, stop: int | None, pin: Validator | None) -> None:
        self._source = source
        self._url = url
        self._start = start
        self._stop = stop
        self._pin = pin
        self._stream: Body | None = None

    async def __aenter__(self) -> Opened:
        ranged = self._start > 0 or self._stop is not None
        try:
            head, stream = await self._source.get(self._url, *(self._range() if ranged else ()))
        except OriginError as error:
            if error.code != _NO_SUCH_RANGE:
                raise
            raise OriginError(
                "changed", "the file at the origin ends before the wanted part", transient=True
            ) from error
        try:
            opened = self._part(head, stream) if ranged and head.status == 206 else self._whole(head, stream)
        except BaseException:
            await stream.aclose()
            raise
        self._stream = stream
        return opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            await self._stream.aclose()

    def _range(self) -> list[tuple[str, str]]:
        last = "" if self._stop is None else self._stop - 1
        fields = [("Range", f"bytes={self._start}-{last}")]
        if self._pin is not None and self._pin.strong:
            fields.append(("If-Range", self._pin.value))
        return fields

    def _part(self, head: Head, stream: Body) -> Opened:
        part = head.content_range()
        if part.start != self._start or (self._stop is not None and part.stop > self._stop):
            raise bad_answer("it brings another part than was asked for")
        # A total where the part itself ends proves nothing: some origins take the slice for the file.
        proven = part.size if part.size is None or part.size > part.stop else None
        facts = head.facts(size=proven, ranges=True)
        if self._pin is not None and self._pin.strong and facts.validator != self._pin:
            # If-Range should have made it the whole file. Without proof of the version there is no joining the two.
            raise OriginError("changed", "the origin answered with a part of another version", transient=True)
        # A part may end earlier than was asked (RFC 9110, 15.3.7): who counts to the wanted end finds that out.
        ends = [end for end in (self._stop, part.size) if end is not None]
        wanted = min(ends) if part.size is not None else part.stop
        return Opened(facts, self._start, self._source.counted(stream, wanted - self._start))

    def _whole(self, head: Head, stream: Body) -> Opened:
        if head.status == 206:
            raise bad_answer("it brings a part where the whole file was asked for")
        facts = head.facts(size=head.length, ranges=head.takes_ranges)
        return Opened(facts, 0, self._source.counted(stream, facts.size))


def own_name() -> str:
    """The gateway's User-Agent."""
    try:
        return f"streamzip/{version('streamzip')}"
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return "streamzip"


def _is_well_formed(url: str) -> bool:
    try:
        origin_of(url)
    except ValueError:
        return False
    return True


def _same_origin(one: str, other: str) -> bool:
    """Of the same scheme too: what is sent over TLS is not sent in the clear."""
    try:
        return origin_of(one) == origin_of(other) and one.partition(":")[0].lower() == other.partition(":")[0].lower()
    except ValueError:
        return False


def _follow(url: str, head: Head) -> str:
    """Where a redirect leads; its letters are judged by the next hop."""
    location = head.field(b"location")
    if location is None:
        raise OriginError(f"http_{head.status}", f"the origin answered {head.status} without saying where to")
    try:
        # Many origins write UTF-8 here, bare; httpx escapes it.
        return str(httpx.URL(url).join(location.encode("latin-1").decode("utf-8", "replace")))
    except (httpx.InvalidURL, ValueError) as error:
        raise OriginError("unsafe_url", "the origin redirected to something that is not a URL") from error


def written(url: str) -> str:
    """The URL in RFC 3986's letters. One that has no others stays as it is: a signature may cover each of them."""
    return url if _RFC_3986.fullmatch(url) else str(httpx.URL(url))


async def _discard(head: Head, stream: Body) -> None:
    try:
        if not stream.whole and head.length is not None and head.length <= _SMALL:
            with contextlib.suppress(httpx.TransportError, TimeoutError):
                async with asyncio.timeout(_AT_ONCE):
                    async for _ in stream:
                        pass
    finally:
        await stream.aclose()
