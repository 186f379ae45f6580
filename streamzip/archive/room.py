"""Keeps the copies within their budget: as archives are opened and completed, and now and then.

A look at the shelf costs a look at each of its files, so the bytes are counted on in between.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from streamzip.clock import Clock
from streamzip.logs import event
from streamzip.spool.shelf import Shelf

logger = logging.getLogger(__name__)

LOOK_EVERY = 15.0  # seconds; copies of unknown length, and those of other processes, grow unseen


class Room:
    """`promised` tells how many bytes the open copies are still to take, `let_go` closes those that nobody reads."""

    def __init__(self, shelf: Shelf, clock: Clock, *, promised: Callable[[], int], let_go: Callable[[], None]) -> None:
        self._shelf = shelf
        self._clock = clock
        self._promised = promised
        self._let_go = let_go
        self._making = asyncio.Lock()
        self._taken = 0
        self._looked_at = -LOOK_EVERY

    async def make(self, grown: int = 0, *, full: bool = False) -> None:
        """Evict what does not fit, now that the copies have grown by so many bytes. `full`: the disk took no more."""
        self._taken += grown
        async with self._making:
            late = self._clock.monotonic() - self._looked_at >= LOOK_EVERY
            if late or full or self._taken + self._promised() > self._shelf.budget:
                await self._look()

    async def _look(self) -> None:
        if self._taken + self._promised() > self._shelf.budget:
            self._let_go()
        try:
            gone, self._taken = await asyncio.to_thread(self._shelf.make_room, time.time(), promised=self._promised)
        except OSError as error:
            event(logger, logging.WARNING, "shelf_unavailable", error=error.strerror)
            return
        self._looked_at = self._clock.monotonic()
        if gone:
            event(logger, logging.INFO, "copies_evicted", archives=len(gone), bytes_left=self._taken)
