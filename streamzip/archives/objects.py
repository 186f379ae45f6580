"""Finished copies in the bucket, as readers use them: found, read in proven runs, and given up where they do not hold.

Nothing is given out that does not agree with its block's CRC. A bucket that does not answer is left alone for a while;
an object that is gone or damaged is forgotten by all gateways of the store.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Collection
from typing import Final

from streamzip.clock import Clock
from streamzip.errors import Damaged, Problem
from streamzip.logs import event
from streamzip.objects.content import Content
from streamzip.objects.port import Bucket, BucketError, Missing
from streamzip.objects.reads import ObjectLost, ObjectReads
from streamzip.objects.remembered import Remembered
from streamzip.spans import Data
from streamzip.spool.memory import Memory
from streamzip.store.objects import OBJECT, Objects
from streamzip.store.rows import ArchiveRow
from streamzip.store.vault import Vault

logger = logging.getLogger(__name__)

LEFT_ALONE: Final = 5.0  # seconds, for a bucket that failed
DELETED_WITHIN: Final = 3.0  # seconds that a deletion waits for the bucket; then the sweep does it
LINK_LASTS: Final = 900  # seconds in which a client that is sent to the bucket has to get there


class ArchiveObjects:
    """The archives' objects of one bucket, read through `memory`."""

    def __init__(self, bucket: Bucket, objects: Objects, vault: Vault, clock: Clock, memory: Memory) -> None:
        self._bucket = bucket
        self._objects = objects
        self._vault = vault
        self._clock = clock
        self._reads = ObjectReads(bucket, memory)
        self._contents: Remembered[tuple[str, float], Content] = Remembered()
        self._away_until = float("-inf")

    async def find(self, row: ArchiveRow) -> Content | None:
        """Return what the archive's object holds; None where it has none, or the bucket failed just now."""
        if row.completed_at is None or self._clock.monotonic() < self._away_until:
            return None
        # A hash that was deleted and created anew is another archive, which was completed at another time.
        key = (row.hash, row.completed_at)
        content = self._contents.get(key)
        if content is None:
            sealed = await self._objects.document(row.hash)
            if sealed is None:
                return None
            try:
                content = Content.decode(self._vault.unseal(OBJECT, row.hash, sealed))
            except Damaged as problem:
                event(logger, logging.WARNING, "object_unreadable", archive=row.hash, code=problem.code)
                return None
            self._contents.put(key, content)
        return content if content.size == row.size else None

    def read(self, content: Content, start: int, stop: int) -> AsyncGenerator[Data, None]:
        """Return the archive bytes `[start, stop)`, all of them proven. Raises ObjectLost, before a wrong byte."""
        return self._reads.read(content, start, stop)

    async def give_up(self, row: ArchiveRow, content: Content, lost: ObjectLost) -> None:
        """Take note that the object did not give what it should, so that it is not asked again in vain."""
        self._contents.forget(lambda kept: kept == (row.hash, row.completed_at))
        cause = lost.__cause__
        event(logger, logging.WARNING, "object_lost", archive=row.hash, key=content.key, reason=str(lost))
        if cause is not None and not isinstance(cause, Missing):
            self._away_until = self._clock.monotonic() + LEFT_ALONE
            return
        with contextlib.suppress(Problem):  # the store is away: whoever reads it next finds the same
            await self._objects.forget(row.hash, content.key)

    async def link(self, content: Content) -> str | None:
        """Return a URL by which the object may be fetched from the bucket; None where there is none."""
        try:
            return await self._bucket.link(content.key, lasts=LINK_LASTS)
        except BucketError as error:
            event(logger, logging.WARNING, "object_not_linked", key=content.key, error=str(error))
            return None

    async def shared(self, hashes: Collection[str]) -> Collection[str]:
        """Return those of the archives whose copy is in the bucket. Raises the store's NotReady and Damaged."""
        return await self._objects.shared(hashes)

    async def key(self, archive_hash: str) -> str | None:
        """Return the key of the archive's object, also of one that is being put there."""
        return await self._objects.key(archive_hash)

    async def forget(self, archive_hash: str) -> None:
        """Delete the archive's object, and have no process of the store read it any more: one that remembers it finds
        it missing.
        """
        key = await self._objects.key(archive_hash)
        if key is not None and await self._objects.forget(archive_hash, key):
            self._contents.forget(lambda kept: kept[0] == archive_hash)
            await self.discard(key)

    async def discard(self, key: str) -> None:
        """Delete the object of an archive that is no more; what fails is left to the sweep."""
        if self._clock.monotonic() < self._away_until:
            return
        try:
            async with asyncio.timeout(DELETED_WITHIN):
                await self._bucket.delete([key])
        except (BucketError, TimeoutError) as error:
            event(logger, logging.WARNING, "object_not_deleted", key=key, error=str(error))
