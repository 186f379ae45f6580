"""What nobody asks for and must be done: archives whose time is over, copies past their budget or of no archive,
uploads' notes of archives that are gone, deliveries that nobody can look up any more, web pages that failed long ago.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from streamzip import metrics
from streamzip.archives.evictor import Evictor
from streamzip.archives.remove import Removal
from streamzip.clock import Clock
from streamzip.errors import Problem
from streamzip.files.locks import LockFile
from streamzip.jobs.offloads import BucketSweep
from streamzip.jobs.queue import leading
from streamzip.logs import event
from streamzip.spool.shelf import Shelf
from streamzip.store.repository import Repository

logger = logging.getLogger(__name__)

EVERY = 2.0  # seconds; what expires is 404 at once, and its disk is free so much later
ORPHANS_EVERY = 3600.0  # a look at every file; there are none but after a kill -9 in the middle of a deletion
COUNTED_EVERY = 60.0  # seconds; a query over all archives, and 1,000,000 of them take a second
PAGES_KEPT = 7 * 24 * 3600.0  # seconds for which a page that failed says why; then its id is unknown

TURN = 2  # the byte of the jobs' lock file that says which process sweeps


class Notes(Protocol):
    """Notes of which archives need what, as uploads keep them."""

    async def forget(self, known: Callable[[str], Awaitable[bool]]) -> None:
        """Drop the notes of archives that are not `known` any more."""


class Sweep:
    """Runs until cancelled, in one of several processes."""

    def __init__(
        self,
        repository: Repository,
        shelf: Shelf,
        notes: Notes,
        clock: Clock,
        *,
        leader: LockFile,
        removal: Removal,
        evictor: Evictor,
        bucket: BucketSweep | None = None,
    ) -> None:
        self._bucket = bucket
        self._repository = repository
        self._shelf = shelf
        self._notes = notes
        self._clock = clock
        self._leader = leader
        self._removal = removal
        self._evictor = evictor
        self._orphans_at = -ORPHANS_EVERY
        self._counted_at = -COUNTED_EVERY

    async def run(self) -> None:
        """Work until cancelled."""
        async with leading(self._leader, TURN):
            while True:
                try:
                    await self.once()
                except (Problem, OSError) as error:
                    event(logger, logging.WARNING, "sweep_failed", error=str(error))
                except Exception:
                    logger.exception("the sweep failed unexpectedly")
                await asyncio.sleep(EVERY)

    async def once(self) -> None:
        """Do what is to be done now."""
        await self._removal.expire()
        await self._evictor.make_room()
        if metrics.counts() and self._clock.monotonic() - self._counted_at >= COUNTED_EVERY:
            self._counted_at = self._clock.monotonic()
            states = await self._repository.catalogue.states()
            metrics.ARCHIVES.replace({(state,): count for state, count in states.items()})
        if self._clock.monotonic() - self._orphans_at >= ORPHANS_EVERY:
            self._orphans_at = self._clock.monotonic()
            await self._repository.deliveries.sweep()
            await self._repository.webpages.sweep(self._clock.wall() - PAGES_KEPT)
            await self._remove_orphans()
            await self._notes.forget(self._is_known)
            if self._bucket is not None:
                await self._bucket.once()

    async def _is_known(self, hash: str) -> bool:
        return await self._repository.get(hash) is not None

    async def _remove_orphans(self) -> None:
        for held in await asyncio.to_thread(self._shelf.held):
            # Asked after the shelf was listed: whatever was created since then is not in the list. One that is created
            # anew just now is in use, and stays, or has nothing in its copy yet.
            if held.taken and await self._repository.get(held.name) is None:
                await asyncio.to_thread(self._shelf.evict, held.name)
