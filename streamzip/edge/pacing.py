"""A download's rate: so many bytes a second and no bursts, by the monotonic clock."""

import asyncio
from collections.abc import AsyncGenerator

from streamzip.clock import Clock, RateLimit

_SLICES = 8  # a second: what is handed on at once, so that the pace is even


async def paced(runs: AsyncGenerator[bytes, None], rate: int, clock: Clock) -> AsyncGenerator[bytes, None]:
    """Yield the same bytes at the pace of `rate` bytes per second."""
    limit, size = RateLimit(rate, clock), max(1, rate // _SLICES)
    try:
        async for run in runs:
            for start in range(0, len(run), size):
                piece = run[start : start + size]
                await asyncio.sleep(limit.wait(len(piece)))
                yield piece
    finally:
        await runs.aclose()
