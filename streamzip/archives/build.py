"""Build: a copy made in the background, across restarts. It is a reader that wants everything and keeps none of it."""

import errno
from typing import Final

from streamzip.archives.events import Events
from streamzip.archives.leases import Leases
from streamzip.archives.load import STALE
from streamzip.archives.table import ArchiveTable
from streamzip.clock import Clock
from streamzip.errors import Conflict, NotReady, Problem, Stale
from streamzip.spool.shelf import Shelf
from streamzip.store.repository import Repository

PREFETCH: Final = "prefetch"  # the kind of its job


class Builds:
    """Queues, tells and does builds."""

    def __init__(
        self, repository: Repository, leases: Leases, table: ArchiveTable, shelf: Shelf, events: Events, clock: Clock
    ) -> None:
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
        if row.code == Stale.code:
            raise Stale(STALE)
        if not self._shelf.takes(row.size):
            raise Conflict("no copies are kept here, so there is nothing to build ahead", code="no_cache")
        if row.completed_at is not None and self._shelf.has_copy(archive_hash):
            return False
        await self._repository.jobs.add(PREFETCH, archive_hash, now=self._clock.wall())
        self._events.queued(archive_hash)
        return True

    async def building(self, archive_hash: str) -> bool:
        """Whether its first build in the background is under way or due; whoever waits for it may wait on.

        False once it is completed, and where an attempt failed: then a reader finds out by itself. Raises NotFound.
        """
        row = await self._leases.row(archive_hash)
        if row.completed_at is not None or row.code is not None:
            return False
        job = await self._repository.jobs.pending(PREFETCH, archive_hash)
        return job is not None and job.not_before <= self._clock.wall()

    async def cancel(self, archive_hash: str) -> None:
        """Stop the background build; what is there stays. Raises NotFound."""
        await self._leases.row(archive_hash)
        await self._repository.jobs.cancel(PREFETCH, archive_hash)
        self._events.queued(archive_hash)

    async def fill(self, archive_hash: str) -> None:
        """Pull everything and wait until the copy is durable. Raises as a lease does, and what ended a pull."""
        async with self._leases.lease(await self._leases.row(archive_hash)) as lease:
            assembly = lease.shared
            if not lease.kept and self._shelf.takes(assembly.ledger.length):
                raise NotReady("the copies that are read now leave no room for this one", retry_after=10)
            if not lease.kept:
                raise Conflict("no copy of this archive is kept, so there is nothing to build ahead", code="no_cache")
            try:
                with lease.pulling(), assembly.reader() as reader:
                    await reader.everything()
            except Problem as problem:
                await self._leases.failed(archive_hash, problem)
                raise
            if not await self._table.finished(archive_hash):
                raise OSError(errno.EIO, "the copy could not be finished")
