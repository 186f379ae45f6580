"""A download's rate: so many bytes a second and no bursts, by the monotonic clock."""

import asyncio
from collections.abc import AsyncGenerator

from streamzip.clock import Clock

_SLICES = 8  # a second: what is handed on at once, so that the pace is even


class Pace:
    """When the next bytes of one download may go. `rate`: bytes per second."""

    def __init__(self, rate: int, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._next = clock.monotonic()

    def wait(self, count: int) -> float:
        """Seconds to wait before these `count` bytes go; time that was not used is not made up for."""
        now = self._clock.monotonic()
        start = max(now, self._next)
        self._next = start + count / self._rate
        return start - now


async def paced(runs: AsyncGenerator[bytes, None], rate: int, clock: Clock) -> AsyncGenerator[bytes, None]:
    """The same bytes at the pace of `rate` bytes per second."""
    pace, size = Pace(rate, clock), max(1, rate // _SLICES)
    try:
        async for run in runs:
            for start in range(0, len(run), size):
                piece = run[start : start + size]
                await asyncio.sleep(pace.wait(len(piece)))
                yield piece
    finally:
        await runs.aclose()
