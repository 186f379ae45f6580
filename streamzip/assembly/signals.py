"""Wait for a part's bytes, for a member's place, and wake who waits. What is waited for is asked of the ledger."""

import asyncio
from typing import NamedTuple

from streamzip.spans import Data


class Chunk(NamedTuple):
    """Bytes of a part as they landed: from its byte `start` on."""

    start: int
    data: Data


NOTHING = Chunk(-1, b"")


class Signals:
    """Who waits for what, in this process."""

    def __init__(self) -> None:
        self._parts: dict[int, list[asyncio.Future[Chunk]]] = {}
        self._places: list[asyncio.Future[None]] = []

    def part(self, part: int) -> "asyncio.Future[Chunk]":
        """Return what is done when something happens to the part: with the bytes that landed, where some did."""
        waiter: asyncio.Future[Chunk] = asyncio.get_running_loop().create_future()
        self._parts.setdefault(part, []).append(waiter)
        return waiter

    def place(self) -> "asyncio.Future[None]":
        """Return what is done when the place of one more member is known."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._places.append(waiter)
        return waiter

    def wake(self, part: int, landed: Chunk = NOTHING) -> None:
        """Wake who waits for the part."""
        for waiter in self._parts.pop(part, ()):
            if not waiter.done():
                waiter.set_result(landed)

    def wake_all(self) -> None:
        """Wake who waits for any part."""
        for part in list(self._parts):
            self.wake(part)

    def wake_places(self) -> None:
        """Wake who waits for a place."""
        waiters, self._places = self._places, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
