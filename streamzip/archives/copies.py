"""The place of an archive's finished copy: on this machine's shelf, in the bucket that gateways share, or neither."""

import asyncio
from collections.abc import Collection

from streamzip.archives.objects import ArchiveObjects
from streamzip.objects.content import Content
from streamzip.spool.shelf import Shelf
from streamzip.store.rows import ArchiveRow


class CopyPlaces:
    """The shelf, and beneath it the bucket, where there is one. What asks the store may raise its problems."""

    def __init__(self, shelf: Shelf, objects: ArchiveObjects | None) -> None:
        self._shelf = shelf
        self.objects = objects

    async def has(self, archive_hash: str) -> bool:
        """Return whether the archive's finished copy is in one of the two."""
        if await asyncio.to_thread(self._shelf.has_copy, archive_hash):
            return True
        return self.objects is not None and bool(await self.objects.shared([archive_hash]))

    async def beneath(self, row: ArchiveRow) -> Content | None:
        """Return what the archive's object holds, where the shelf has no copy and the bucket has one."""
        if self.objects is None or row.completed_at is None or self._shelf.has_copy(row.hash):
            return None
        return await self.objects.find(row)

    async def spared(self) -> Collection[str]:
        """Return the archives on the shelf whose copy is in the bucket too: it may go from here first of all."""
        if self.objects is None:
            return ()
        held = await asyncio.to_thread(self._shelf.held)
        return await self.objects.shared([each.name for each in held if each.finished])

    async def key(self, archive_hash: str) -> str | None:
        """Return the key of the archive's object; None where there is none."""
        return None if self.objects is None else await self.objects.key(archive_hash)

    async def forget(self, archive_hash: str) -> None:
        """Delete the object of an archive that stays, so that nobody reads it any more."""
        if self.objects is not None:
            await self.objects.forget(archive_hash)

    async def discard(self, key: str | None) -> None:
        """Delete the object of an archive that is no more."""
        if self.objects is not None and key is not None:
            await self.objects.discard(key)
