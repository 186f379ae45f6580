"""Keeps the copies within their budget: as archives are opened and completed, and now and then.

A look at the shelf costs a look at each of its files, so the bytes are counted on in between.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection
from functools import partial

from streamzip import metrics
from streamzip.archives.copies import CopyPlaces
from streamzip.archives.events import Events
from streamzip.archives.table import ArchiveTable
from streamzip.clock import Clock
from streamzip.errors import Problem
from streamzip.logs import event
from streamzip.spool.shelf import Shelf

logger = logging.getLogger(__name__)

LOOK_EVERY = 15.0  # seconds; copies of unknown length, and those of other processes, grow unseen


class Pressure:
    """What was written to the shelf, until the evictor looks: whoever writes adds to it, and knows no more."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._grown = 0
        self._full = False

    def add(self, grown: int = 0, *, full: bool = False) -> None:
        """Add so many bytes, or that the disk took no more."""
        self._grown += grown
        self._full = self._full or full
        self._changed.set()

    async def wait(self) -> None:
        """Wait until something is added."""
        await self._changed.wait()

    def take(self) -> tuple[int, bool]:
        """Return the bytes that were added since this was called last, and whether the disk took no more."""
        taken = self._grown, self._full
        self._changed.clear()
        self._grown, self._full = 0, False
        return taken


class Evictor:
    """Evicts copies: first those that are in the bucket too, then the longest unused."""

    def __init__(
        self,
        shelf: Shelf,
        copies: CopyPlaces,
        table: ArchiveTable,
        clock: Clock,
        pressure: Pressure,
        events: Events,
    ) -> None:
        self._shelf = shelf
        self._copies = copies
        self._table = table
        self._clock = clock
        self._pressure = pressure
        self._events = events
        self._making = asyncio.Lock()
        self._taken = 0
        self._looked_at = -LOOK_EVERY

    async def run(self) -> None:
        """Make room whenever the copies grew, until cancelled."""
        while True:
            await self._pressure.wait()
            try:
                await self.make_room()
            except Exception:
                logger.exception("making room failed unexpectedly")

    async def make_room(self) -> None:
        """Evict what does not fit, now that the copies have grown."""
        grown, full = self._pressure.take()
        self._taken += grown
        async with self._making:
            late = self._clock.monotonic() - self._looked_at >= LOOK_EVERY
            if late or full or self._taken + self._table.promised() > self._shelf.budget:
                await self._look()

    async def _look(self) -> None:
        spared: Collection[str] = ()
        if self._taken + self._table.promised() > self._shelf.budget:
            self._table.close_idle()
            with contextlib.suppress(Problem):  # the store is away: then the longest unused go
                spared = await self._copies.spared()
        try:
            held = await asyncio.to_thread(self._shelf.held)
            # Asked only now, and here: what was written since, or is not noted yet by the loop that wrote it, would be
            # counted twice, and a copy would go for nothing.
            wanted = self._table.promised()
            make_room = partial(self._shelf.make_room, time.time(), held, wanted=wanted, spared=spared)
            gone, self._taken = await asyncio.to_thread(make_room)
        except OSError as error:
            event(logger, logging.WARNING, "shelf_unavailable", error=error.strerror)
            return
        self._looked_at = self._clock.monotonic()
        metrics.COPIES.set(self._taken)
        metrics.COPIES_LIMIT.set(self._shelf.room())
        metrics.DISK_FREE.set(self._shelf.free_space())
        if gone:
            metrics.EVICTED.add(amount=len(gone))
            event(logger, logging.INFO, "copies_evicted", archives=len(gone), bytes_left=self._taken)
            await self._events.evicted(gone)
