"""A body whose bytes are counted: it ends well only if as many came as its origin had promised, and in time."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from streamzip import metrics
from streamzip.clock import RateLimit
from streamzip.errors import OriginError
from streamzip.net.errors import TimedOut, TransportError
from streamzip.spans import Data


@dataclass(frozen=True, slots=True)
class Pace:
    """What an origin must keep: `rate` bytes a second, on the average of every `window` seconds that it is waited for.

    An origin that drips a byte before every time-out would hold its connection for years. Time that its reader takes
    is not its own, and does not count.
    """

    rate: float = 0.0
    window: float = 30.0


_TELL_EVERY: Final = 8 << 20  # bytes: not each chunk is counted


class CountedChunks(AsyncIterator[Data]):
    """The chunks of an answer's body. `expected` in bytes; None: none were promised, and the end proves nothing.

    Raises OriginError: `truncated` (ended early, or broke), `too_long`, `timed_out` (silent for too long), `too_slow`.
    """

    def __init__(
        self,
        stream: AsyncIterable[Data],
        expected: int | None,
        pace: Pace = Pace(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._chunks = aiter(stream)
        self._expected = expected
        self._received = 0
        self._told = 0  # to the metrics
        self._pace = pace
        self._clock = clock
        self._waited = 0.0
        self._since = 0  # bytes in the window so far

    async def __anext__(self) -> Data:
        asked = self._clock()
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            if self._told != self._received:
                self._tell()
            if self._expected is not None and self._received < self._expected:
                raise OriginError("truncated", "the origin ended the file early", transient=True) from None
            raise
        except asyncio.CancelledError:
            self._tell()
            raise
        except TimedOut as error:
            self._tell()
            raise OriginError("timed_out", str(error), transient=True) from error
        except TransportError as error:
            self._tell()
            raise OriginError("truncated", str(error), transient=True) from error
        self._received += len(chunk)
        if self._received - self._told >= _TELL_EVERY or self._received == self._expected:
            self._tell()
        if self._expected is not None and self._received > self._expected:
            raise OriginError("too_long", "the origin sent more bytes than it had promised")
        self._waited += self._clock() - asked
        self._since += len(chunk)
        if self._waited >= self._pace.window:
            self._check_pace()
        return chunk

    def _tell(self) -> None:
        metrics.ORIGIN_BYTES.add(amount=self._received - self._told)
        self._told = self._received

    def _check_pace(self) -> None:
        if self._since < self._pace.rate * self._waited and self._received != self._expected:
            told = f"the origin sent {self._since} bytes in {self._waited:.0f} s"
            raise OriginError("too_slow", told, transient=True)
        self._waited, self._since = 0.0, 0


class LimitedChunks(AsyncIterator[Data]):
    """The chunks, given on no faster than a limit allows. What they wait here is not their origin's time."""

    def __init__(self, chunks: AsyncIterator[Data], limit: RateLimit) -> None:
        self._chunks = chunks
        self._limit = limit

    async def __anext__(self) -> Data:
        chunk = await anext(self._chunks)
        await asyncio.sleep(self._limit.wait(len(chunk)))
        return chunk
