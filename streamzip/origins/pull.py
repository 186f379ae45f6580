"""A pull: the bytes of one run of one entry, in order, whatever its origin does meanwhile.

Resets, stalls, truncations and refusals that pass are met by another attempt that goes on where the last one ended. It
must prove that it is the same representation: by If-Range with a strong validator, or because the prefix read again has
the same CRC. Otherwise the pull fails; two versions are never spliced.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from isal import isal_zlib

from streamzip import metrics
from streamzip.clock import Clock
from streamzip.errors import OriginError, UnusableRange
from streamzip.logs import event
from streamzip.origins.kinds import is_another_version, is_drip
from streamzip.origins.port import Facts, Opened, Source, Validator
from streamzip.retry import grown, spread
from streamzip.spans import Data

logger = logging.getLogger(__name__)

MUCH = 1 << 20  # new bytes
_JITTER = spread(0.3)
CHANGED_ATTEMPTS = 4  # two mirrors may differ in their ETags; one of the next answers may be the pinned one's


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a pull goes on trying. Delays are seconds and grow by half with jitter."""

    fruitless: int = 6  # attempts in a row without a new byte
    attempts: int = 40  # failed attempts at one member in all, that gained little; with its probe's, at most 60 per URL
    seconds: float = 90.0  # without a new byte
    first_delay: float = 0.2
    longest_delay: float = 8.0

    def delay(self, failures: int, retry_after: float | None) -> float:
        """Return how long to wait after this many failures in a row, no less than what the origin asked for."""
        growing = grown(self.first_delay, self.longest_delay, failures - 1, factor=1.8)
        return max(growing * _JITTER(), retry_after or 0.0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many bytes a file and an archive may have. What is known is judged when the archive is planned, the rest as
    bytes pass.
    """

    entry: int = 1 << 62
    archive: int = 1 << 62

    def check_entry(self, size: int) -> None:
        """Raise OriginError where a file has, or has had so far, more than that."""
        if size > self.entry:
            raise OriginError(
                "entry_too_large", f"the file has more than the {self.entry} bytes that this gateway takes of one"
            )

    def check_archive(self, length: int) -> None:
        """Raise OriginError where an archive gets longer than that."""
        if length > self.archive:
            raise OriginError("archive_too_large", too_long(self.archive))


def too_long(most: int) -> str:
    """Return the sentence about an archive of more bytes than `most`."""
    return f"the archive has more than the {most} bytes that this gateway makes of one"


@dataclass(slots=True)
class Tries:
    """The attempts left at one member, shared by the pulls of its parts: an origin that breaks each of them after a
    byte is asked as often as one that breaks the only one.
    """

    left: int

    def spend(self, gained: int) -> bool:
        """Count an attempt that failed after `gained` new bytes, and return whether another one may be made. A large
        file over a line that breaks now and then gets to its end: an attempt that gained much costs nothing.
        """
        self.left -= gained < MUCH
        return self.left > 0


@dataclass(slots=True)
class Pull:
    """One run `[start, stop)` of an entry's bytes; `stop` None: to its end. `position` and `crc` move as bytes are
    yielded.

    `prefix` bytes from `start` on are there already, with the CRC `crc`. `pin` is the representation they are of.
    `released`: bytes of that representation may have been given out, so another one may not take its place.
    """

    source: Source
    url: str
    start: int
    stop: int | None
    size: int | None  # of the whole entry
    ranged: bool
    pin: Validator | None
    released: bool
    clock: Clock
    patience: Patience
    tries: Tries
    bounds: Bounds = Bounds()
    prefix: int = 0
    crc: int = 0
    on_pin: Callable[[Validator | None], None] | None = None
    position: int = field(init=False)
    _new_at: float = field(init=False, default=0.0)  # when the last new byte had been taken

    def __post_init__(self) -> None:
        self.position = self.start + self.prefix

    async def chunks(self) -> AsyncGenerator[Data, None]:
        """Yield the bytes from `position` on, of one representation. OriginError where they cannot be had."""
        failures, changed, again = 0, 0, False
        self._new_at = self.clock.monotonic()
        while True:
            before, new_at, start, stop = self.position, self._new_at, self._from(), self._to()
            # The first attempt has the limits of any request. Later ones may bring nothing but what is there already,
            # or hang before they bring anything: all of them together have so long.
            within = self._left() if again else None
            try:
                async with self.source.open(self.url, start=start, stop=stop, pin=self.pin, within=within) as opened:
                    self._new_at += opened.waited
                    if opened.start == 0 and (start > 0 or stop is not None):
                        self._check_whole(opened.facts, start)
                    chunks = self._accept(opened)
                    async for chunk in _begun_within(self._left(), chunks) if again else chunks:
                        yield chunk
                return
            except UnusableRange:
                self.ranged, again = False, True
                continue  # at once, and not counted: the file itself was not asked for yet
            except OriginError as error:
                failure, again = error, True
            self._new_at += failure.waited
            gained = self.position - before
            if gained and not is_drip(failure):
                failures = 0
            elif gained:
                self._new_at = new_at  # a drip is no progress
            failures += 1
            changed += is_another_version(failure)
            if not failure.transient or failures >= self.patience.fruitless or changed >= CHANGED_ATTEMPTS:
                raise failure
            if not self.tries.spend(gained):
                raise failure
            delay = self.patience.delay(failures, failure.retry_after)
            if delay > self._left():
                raise failure
            metrics.ORIGIN_RETRIES.add(failure.code)
            _log_retry(self.url, failure, failures, gained=gained, wait=delay)
            await asyncio.sleep(delay)

    def _left(self) -> float:
        """Return the seconds that the next new byte may still take."""
        return self.patience.seconds - (self.clock.monotonic() - self._new_at)

    def _resumes(self) -> bool:
        # Where the size is not known, nothing tells the end of a part from the end of the file.
        return self.ranged and self.size is not None and self.pin is not None and self.pin.strong

    def _check_whole(self, facts: Facts, asked: int) -> None:
        """Judge the answer to a range from byte `asked` on that says to begin at the file's first byte: it may be the
        file, or only the slice.

        Raises UnusableRange where that cannot be told.
        """
        if facts.size != self.size and (facts.size is not None or asked > 0):
            raise UnusableRange("bad_answer", "the origin answered a range with what may be a slice", transient=True)

    def _from(self) -> int:
        return self.position if self._resumes() else 0

    def _to(self) -> int | None:
        return self.stop if self._resumes() and self.stop != self.size else None

    async def _accept(self, opened: Opened) -> AsyncGenerator[Data, None]:
        """Yield what is new in this answer; its prefix, where it brings one, must be the one that is there."""
        self._check(opened.facts)
        at, again = opened.start, 0
        if at > self.position:
            raise OriginError("bad_answer", "the origin answered with another range than was asked for", transient=True)
        async for received in opened.chunks:
            chunk = received
            if at < self.position:
                known = chunk[: self.position - at]
                if at + len(known) > self.start:
                    again = isal_zlib.crc32(known[max(0, self.start - at) :], again)
                at += len(known)
                if at == self.position and again != self.crc:
                    raise OriginError(
                        "changed", "the file changed at its origin while it was being pulled", transient=True
                    )
                chunk = chunk[len(known) :]
                if not chunk:
                    continue
            at += len(chunk)
            if self.stop is not None and at > self.stop:
                if self.stop == self.size:
                    raise _too_long()
                chunk = chunk[: len(chunk) - (at - self.stop)]
            elif at == self.stop == self.size:
                # Its last bytes count once it has been seen to end with them: a part that has them all is done.
                async for more in opened.chunks:
                    if more:
                        raise _too_long()
            self.position += len(chunk)
            self.bounds.check_entry(self.position)
            self.crc = isal_zlib.crc32(chunk, self.crc)
            yield chunk
            self._new_at = self.clock.monotonic()
            if self.position == self.stop and self.stop != self.size:
                return
        if at < self.position or (self.stop is not None and self.position < self.stop):
            raise OriginError("truncated", "the origin ended the file early", transient=True)

    def _check(self, facts: Facts) -> None:
        """Raise OriginError unless the answer is of the representation that was planned.

        A strong validator is what a later life, another process and a copy evicted meanwhile know it by: another one
        never takes its place. Where there is none, the first answer's may, before its first byte.
        """
        if self.size is not None and facts.size is not None and facts.size != self.size:
            raise OriginError(
                "size_mismatch",
                f"the file has {facts.size} bytes where {self.size} were expected",
                transient=self.released or self.pin is not None,  # it had that size: a proxy's slip, or another mirror
            )
        if facts.validator != self.pin:
            if self.pin is not None and self.pin.strong:
                raise OriginError(
                    "changed", "the file changed at its origin since the archive was planned", transient=True
                )
            if not self.released and self.position == self.start == 0:
                told, doubted = facts.validator, self.pin is not None and self.pin.doubted
                self.pin = told._replace(strong=False) if doubted and told is not None else told
        if self.on_pin is not None:
            self.on_pin(self.pin)


async def _begun_within(seconds: float, chunks: AsyncGenerator[Data, None]) -> AsyncGenerator[Data, None]:
    """Give the chunks, the first of them within so long. Raises OriginError (`timed_out`)."""
    async with aclosing(chunks):
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                first = await anext(chunks, None)
        except TimeoutError as error:
            raise OriginError("timed_out", "the origin sent nothing new for too long") from error
        if first is None:
            return
        yield first
        async for chunk in chunks:
            yield chunk


def _log_retry(url: str, failure: OriginError, failures: int, *, gained: int, wait: float) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        fields = {"url": url, "code": failure.code, "detail": failure.message, "failures": failures}
        event(logger, logging.DEBUG, "origin_retried", **fields, gained=gained, wait=round(wait, 3))


def _too_long() -> OriginError:
    return OriginError("too_long", "the file is longer than its origin had said")
