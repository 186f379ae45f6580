"""Remove: an archive by its owner's word, or because its time is over."""

import asyncio
import logging

from streamzip.archives.copies import CopyPlaces
from streamzip.archives.load import Loader
from streamzip.archives.table import ArchiveTable
from streamzip.clock import Clock
from streamzip.errors import NotFound, Problem
from streamzip.logs import event
from streamzip.spool.shelf import Shelf
from streamzip.store.repository import Repository

logger = logging.getLogger(__name__)

AT_ONCE = 1000  # archives that expire in one go


class Removal:
    """Removes archives, their copies and their jobs."""

    def __init__(
        self,
        repository: Repository,
        loader: Loader,
        table: ArchiveTable,
        shelf: Shelf,
        copies: CopyPlaces,
        clock: Clock,
    ) -> None:
        self._copies = copies
        self._repository = repository
        self._loader = loader
        self._table = table
        self._shelf = shelf
        self._clock = clock

    async def delete(self, archive_hash: str) -> None:
        """Remove the archive, its copy and its jobs; its readers are cut. Raises NotFound."""
        await self._loader.row(archive_hash)
        key = await self._copies.key(archive_hash)
        await self._repository.delete(archive_hash)
        await self._repository.deliveries.forget(archive_hash)
        await self.remove_copy(archive_hash)
        await self._copies.discard(key)

    async def remove_copy(self, archive_hash: str) -> None:
        """Cut the archive's readers, who are told that it was deleted, and remove its copy."""
        self._table.cut(archive_hash, NotFound("the archive was deleted"))
        await asyncio.to_thread(self._shelf.remove, archive_hash)

    async def remove_damaged(self, archive_hash: str, problem: Problem) -> bool:
        """Remove a finished copy that is damaged; who reads it as it is gets the problem. Return False, and do nothing,
        where its readers have noticed: they compare it, and pull what is wrong again.
        """
        await asyncio.to_thread(self._shelf.distrust, archive_hash)
        if await self._is_compared(archive_hash):
            return False
        self._table.cut(archive_hash, problem)
        removed = await asyncio.to_thread(self._shelf.evict, archive_hash)
        if not removed and not await self._is_compared(archive_hash):  # a reader is still about to leave, or elsewhere
            await asyncio.to_thread(self._shelf.remove, archive_hash)
        return True

    async def _is_compared(self, archive_hash: str) -> bool:
        """Return whether the copy is open here, and trusted only as far as it was compared."""
        await self._table.opened(archive_hash)
        opened = self._table.peek(archive_hash)
        return opened is not None and not opened.archive.spool.sealed

    async def expire(self) -> None:
        """Delete the archives whose time is over, but for those that somebody still reads."""
        for archive_hash in await self._repository.catalogue.expired(self._clock.wall(), limit=AT_ONCE):
            self._table.close_idle(archive_hash)
            if not await asyncio.to_thread(self._shelf.evict, archive_hash):
                continue
            key = await self._copies.key(archive_hash)
            if await self._repository.catalogue.delete_expired(archive_hash, self._clock.wall()):
                event(logger, logging.INFO, "archive_expired", archive=archive_hash)
                await self._copies.discard(key)
