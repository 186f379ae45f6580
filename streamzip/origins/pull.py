"""A pull: the bytes of one run of one entry, in order, whatever its origin does meanwhile.

Resets, stalls, truncations and refusals that pass are met by another attempt that goes on where the last one ended. It
must prove that it is the same representation: by If-Range with a strong validator, or because the prefix read again has
the same CRC. Otherwise the pull fails; two versions are never spliced.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
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
    _began_at: int = field(init=False, default=0)  # `position` and `_new_at` when this attempt began
    _began_new_at: float = field(init=False, default=0.0)
    _failures: int = field(init=False, default=0)  # in a row
    _changed: int = field(init=False, default=0)
    _is_ranged: bool = field(init=False, default=False)  # this attempt asks for a part
    _again: bool = field(init=False, default=False)  # this is not the first attempt

    def __post_init__(self) -> None:
        self.position = self.start + self.prefix

    async def chunks(self) -> AsyncGenerator[Data, None]:
        """Yield the bytes from `position` on, of one representation. OriginError where they cannot be had."""
        self._new_at = self.clock.monotonic()
        while True:
            try:
                async with self._open() as opened:
                    answer = self._accept(opened)
                    chunk = await (self._first(answer) if self._again else self._next(answer))
                    while chunk is not None:
                        yield chunk
                        self._new_at = self.clock.monotonic()
                        chunk = await self._next(answer)
                if self.position != answer.ends:
                    return
                self._failures = 0  # on at once, and not counted: it went well
            except OriginError as error:
                await self._before_next(error)

    async def whole(self) -> Data:
        """Return what `chunks` would yield, in one piece: a small file's bytes, without a generator's cost."""
        received: list[Data] = []
        self._new_at = self.clock.monotonic()
        while True:
            try:
                async with self._open() as opened:
                    answer = self._accept(opened)
                    chunk = await (self._first(answer) if self._again else self._next(answer))
                    while chunk is not None:
                        received.append(chunk)
                        self._new_at = self.clock.monotonic()
                        chunk = await self._next(answer)
                if self.position != answer.ends:
                    return received[0] if len(received) == 1 else b"".join(received)
                self._failures = 0
            except OriginError as error:
                await self._before_next(error)

    # -- attempts ----------------------------------------------------------------------------------------

    def _open(self) -> AbstractAsyncContextManager[Opened]:
        """Begin an attempt."""
        self._began_at, self._began_new_at = self.position, self._new_at
        start, stop = (self.position, self.stop) if self._resumes() else (0, None)
        if stop == self.size:
            stop = None
        self._is_ranged = start > 0 or stop is not None
        # The first attempt has the limits of any request. Later ones may bring nothing but what is there already,
        # or hang before they bring anything: all of them together have so long.
        within = self._left() if self._again else None
        return self.source.open(self.url, start=start, stop=stop, pin=self.pin, within=within)

    async def _before_next(self, failure: OriginError) -> None:
        """Wait before the next attempt. Raises the failure where it was the last one."""
        self._again = True
        if isinstance(failure, UnusableRange):
            self.ranged = False
            return  # at once, and not counted: the file itself was not asked for yet
        self._new_at += failure.waited
        gained = self.position - self._began_at
        if gained and not is_drip(failure):
            self._failures = 0
        elif gained:
            self._new_at = self._began_new_at  # a drip is no progress
        self._failures += 1
        self._changed += is_another_version(failure)
        if not failure.transient or self._failures >= self.patience.fruitless or self._changed >= CHANGED_ATTEMPTS:
            raise failure
        if not self.tries.spend(gained):
            raise failure
        delay = self.patience.delay(self._failures, failure.retry_after)
        if delay > self._left():
            raise failure
        metrics.ORIGIN_RETRIES.add(failure.code)
        _log_retry(self.url, failure, self._failures, gained=gained, wait=delay)
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

    # -- an answer ---------------------------------------------------------------------------------------

    def _accept(self, opened: Opened) -> "_Answer":
        """Judge the head of an answer, and return the answer."""
        self._new_at += opened.waited
        if opened.start == 0 and self._is_ranged:
            self._check_whole(opened.facts, self._began_at)
        self._check(opened.facts)
        if opened.start > self.position:
            raise OriginError("bad_answer", "the origin answered with another range than was asked for", transient=True)
        return _Answer(opened.chunks, opened.start, opened.ends)

    async def _first(self, answer: "_Answer") -> Data | None:
        """Return what `_next` does, where it comes in time. Raises OriginError (`timed_out`)."""
        try:
            async with asyncio.timeout(max(0.0, self._left())):
                return await self._next(answer)
        except TimeoutError as error:
            raise OriginError("timed_out", "the origin sent nothing new for too long") from error

    async def _next(self, answer: "_Answer") -> Data | None:
        """Return what is new in the answer's next bytes; None at its end."""
        if answer.has_ended or (answer.at >= self.position == self.stop != self.size):
            return None
        async for received in answer.chunks:
            chunk = received if answer.at >= self.position else self._beyond(answer, received)
            if not chunk:
                continue
            answer.at += len(chunk)
            if self.stop is not None and answer.at > self.stop:
                if self.stop == self.size:
                    raise _too_long()
                chunk = chunk[: len(chunk) - (answer.at - self.stop)]
            elif answer.at == self.stop == self.size:
                # Its last bytes count once it has been seen to end with them: a part that has them all is done.
                async for more in answer.chunks:
                    if more:
                        raise _too_long()
                answer.has_ended = True
            self.position += len(chunk)
            self.bounds.check_entry(self.position)
            self.crc = isal_zlib.crc32(chunk, self.crc)
            return chunk
        if answer.at == answer.ends:
            return None
        if answer.at < self.position or (self.stop is not None and self.position < self.stop):
            raise OriginError("truncated", "the origin ended the file early", transient=True)
        return None

    def _beyond(self, answer: "_Answer", received: Data) -> Data:
        """Return what of it lies beyond the prefix, which must be the one that is there."""
        known = received[: self.position - answer.at]
        if answer.at + len(known) > self.start:
            answer.crc = isal_zlib.crc32(known[max(0, self.start - answer.at) :], answer.crc)
        answer.at += len(known)
        if answer.at == self.position and answer.crc != self.crc:
            raise OriginError("changed", "the file changed at its origin while it was being pulled", transient=True)
        return received[len(known) :]

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


@dataclass(slots=True)
class _Answer:
    """One attempt's bytes, as far as they came. `at`: of the file; `ends`: as the source says it; `crc`: of those that
    were there already.
    """

    chunks: AsyncIterator[Data]
    at: int
    ends: int | None
    crc: int = 0
    has_ended: bool = False


def _log_retry(url: str, failure: OriginError, failures: int, *, gained: int, wait: float) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        fields = {"url": url, "code": failure.code, "detail": failure.message, "failures": failures}
        event(logger, logging.DEBUG, "origin_retried", **fields, gained=gained, wait=round(wait, 3))


def _too_long() -> OriginError:
    return OriginError("too_long", "the file is longer than its origin had said")
