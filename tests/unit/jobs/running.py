"""A queue that runs for as long as a test needs it, under a clock that the test turns."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from streamzip.jobs.queue import Queue


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


async def eventually(so: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so; the store tells nobody of a change."""
    async with asyncio.timeout(10):
        while not await so():  # noqa: ASYNC110
            await asyncio.sleep(0)


class Running:
    """The queue, run for as long as the context lasts."""

    def __init__(self, queue: Queue[Any]) -> None:
        self.queue = queue

    async def __aenter__(self) -> None:
        self.task = asyncio.create_task(self.queue.run())

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
