"""Build: a copy made in the background, across restarts. It is a reader that wants everything and keeps none of it."""

import asyncio
import errno
from dataclasses import dataclass
from typing import Final

from streamzip.archives.copies import CopyPlaces
from streamzip.archives.events import Events
from streamzip.archives.leases import Leases
from streamzip.archives.load import STALE
from streamzip.archives.table import ArchiveTable
from streamzip.assembly.assembly import Assembly
from streamzip.clock import Clock
from streamzip.errors import AskedAnew, BuildFailed, Conflict, CopyLost, NotReady, Problem, Stale
from streamzip.spool.shelf import Shelf
from streamzip.store.queues import NO_ROOM, WAITS
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow, JobRow
from streamzip.store.states import ArchiveState

FOR_MEMBER: Final = 16 << 10  # bytes that a member counts for beside its own: small ones are many requests


@dataclass(slots=True)
class Progress:
    """How far one build has come. `assembly`: what it fills, once that is open."""

    assembly: Assembly | None = None

    def amount(self) -> int | None:
        """Return a number that grows with the bytes and the members that are there; None where nothing is open yet."""
        if self.assembly is None:
            return None
        ledger = self.assembly.ledger
        return ledger.extents.present + FOR_MEMBER * ledger.complete.count(1)


class Builds:
    """Queues, tells and does builds."""

    def __init__(
        self,
        repository: Repository,
        leases: Leases,
        table: ArchiveTable,
        shelf: Shelf,
        copies: CopyPlaces,
        events: Events,
        clock: Clock,
    ) -> None:
        self._copies = copies
        self._repository = repository
        self._leases = leases
        self._table = table
        self._shelf = shelf
        self._events = events
        self._clock = clock

    async def prefetch(self, archive_hash: str) -> bool:
        """Have the archive built in the background, now, across restarts. False where its copy is there already.

        Raises NotFound, Stale, Conflict.
        """
        row = await self._leases.row(archive_hash)
        if row.state is ArchiveState.STALE:
            raise Stale(STALE)
        if row.completed_at is not None and await self._copies.has(archive_hash):
            return False
        await self._check_room(await self._size(row))
        await self._repository.jobs.add(archive_hash, now=self._clock.wall())
        self._events.queued(archive_hash)
        return True

    async def _size(self, row: ArchiveRow) -> int | None:
        """Return the archive's length, where it is known already."""
        if row.size is None and await self._repository.has_layout(row.hash):
            try:
                async with self._leases.lease(row) as lease:
                    return lease.shared.ledger.length
            except (NotReady, BuildFailed):
                return None
        return row.size

    async def _check_room(self, size: int | None) -> None:
        if not await asyncio.to_thread(self._shelf.takes, size):
            raise Conflict("no copy of this archive is kept, so there is nothing to build ahead", code="no_cache")

    async def building(self, archive_hash: str) -> bool:
        """Return whether its first build in the background is under way or due; whoever waits for it may wait on.

        False once it is completed, and where an attempt failed: then a reader finds out by itself. Raises NotFound.
        """
        row = await self._leases.row(archive_hash)
        if row.completed_at is not None or row.code is not None:
            return False
        job = await self._repository.jobs.pending(archive_hash)
        return job is not None and is_under_way(job, self._clock.wall())

    async def cancel(self, archive_hash: str) -> None:
        """Stop the background build; what is there stays. Raises NotFound."""
        await self._leases.row(archive_hash)
        await self._repository.jobs.cancel(archive_hash)
        self._events.queued(archive_hash)

    async def fill(self, archive_hash: str, progress: Progress) -> None:
        """Pull everything and wait until the copy is durable; `progress` tells how far that has come.

        Raises as a lease does, and what ended a pull; NotReady (`no_room`) while other copies are in its way.
        """
        while True:
            try:
                return await self._fill(archive_hash, progress)
            # So often at most: rounds of asking are bounded, and a copy is taken away once.
            except (AskedAnew, CopyLost):
                continue

    async def _fill(self, archive_hash: str, progress: Progress) -> None:
        row = await self._leases.row(archive_hash)
        if await self._copies.beneath(row) is not None:
            return
        async with self._leases.lease(row) as lease:
            assembly = lease.shared
            if not lease.kept:
                await self._check_room(assembly.ledger.length)
                raise NotReady("the copies that are read now leave no room for this one", code=NO_ROOM, retry_after=10)
            progress.assembly = assembly
            try:
                with lease.pulling(), assembly.reader() as reader:
                    await reader.everything()
            except Problem as problem:
                raise await self._leases.failed(row, problem) from problem
            if not await self._table.finished(archive_hash):
                raise OSError(errno.EIO, "the copy could not be finished")


def is_under_way(job: JobRow, now: float) -> bool:
    """Return whether the queued job is worked on, or waits for a reason other than that it failed."""
    return job.not_before <= now or job.reason in WAITS
