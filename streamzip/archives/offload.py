"""Offload: a finished copy put into the bucket, and noted only once it can be read there.

At every step it may be killed, and is then begun anew, under another key. What an earlier attempt left in the bucket is
under a key that the store does not know, and the sweep deletes it.
"""

import asyncio
import errno
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

from streamzip.archives.leases import Leases
from streamzip.archives.table import Lease
from streamzip.assembly.ledger import Ledger
from streamzip.assembly.verifying import verify_copy
from streamzip.errors import Damaged, NotFound
from streamzip.logs import event
from streamzip.manifest.model import Format
from streamzip.objects.content import Checksums, Content, block_of
from streamzip.objects.port import Bucket, Listed, Told
from streamzip.objects.proof import MARKER, is_of
from streamzip.objects.writes import prove_readable
from streamzip.spans import Span
from streamzip.spool.file import Paths
from streamzip.spool.port import Bytes
from streamzip.spool.shelf import Shelf
from streamzip.store.objects import OBJECT
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow
from streamzip.store.vault import Vault

logger = logging.getLogger(__name__)

GRACE: Final = 3600.0  # seconds in which an object that the store does not know stays
_RUN: Final = 4 << 20  # bytes that are read at once


class Offloader:
    """Puts the copies of this machine into the bucket, and deletes there what is nobody's. `describe`: gives
    what a client that fetches a file of this name from there is told.
    """

    def __init__(
        self,
        bucket: Bucket,
        repository: Repository,
        leases: Leases,
        shelf: Shelf,
        vault: Vault,
        describe: Callable[[str, Format], Told],
    ) -> None:
        self._bucket = bucket
        self._describe = describe
        self._repository = repository
        self._objects = repository.objects
        self._leases = leases
        self._shelf = shelf
        self._vault = vault

    async def offload(self, archive_hash: str) -> bool:
        """Put the archive's finished copy into the bucket; False where there is none to be put, or one is there.

        Raises BucketError, OSError; Damaged where the copy is not what was pulled; NotFound where the archive is gone;
        the store's problems.
        """
        row = await self._leases.row(archive_hash)
        if row.completed_at is None or not await asyncio.to_thread(self._shelf.has_copy, archive_hash):
            return False
        async with self._leases.lease(row) as lease:
            if not lease.kept or not lease.shared.archive.spool.sealed:
                return False
            key = f"{archive_hash[:2]}/{archive_hash}-{secrets.token_hex(8)}"
            if not await self._objects.begin(archive_hash, key, now=self._repository.clock.wall()):
                return False
            content = await self._put(row, lease, key)
        await prove_readable(self._bucket, content)
        sealed = self._vault.seal(OBJECT, archive_hash, content.encode())
        if not await self._objects.share(archive_hash, key, sealed, now=self._repository.clock.wall()):
            await self._bucket.delete([key])  # deleted meanwhile, or put there by another
            raise NotFound("there is no archive of this name")
        event(logger, logging.INFO, "copy_offloaded", archive=archive_hash, size=content.size)
        return True

    async def _put(self, row: ArchiveRow, lease: Lease, key: str) -> Content:
        archive, pool, loop = lease.shared.archive, lease.shared.reading.pool, asyncio.get_running_loop()
        layout, size = archive.layout, archive.ledger.offsets.length
        # A CRC that is made of what lies on disk would give damage a valid checksum: first it is compared with what was
        # pulled.
        wrong = await loop.run_in_executor(pool, _verify, self._shelf.paths(row.hash), archive.ledger)
        if wrong is not None:
            raise Damaged(f"the copy on disk is not what was pulled: {wrong}")
        checksums = Checksums(block_of(size))

        async def runs() -> AsyncIterator[bytes]:
            for start in range(0, size, _RUN):
                span = Span(start, min(size, start + _RUN))
                yield await loop.run_in_executor(pool, _read, archive.spool, span, checksums)

        await self._bucket.put(key, runs(), size=size, told=self._describe(row.filename, layout.container))
        return Content(
            key=key,
            size=size,
            block=checksums.block,
            crcs=checksums.finish(),
            frozen_at=layout.frozen_at,
            provable=layout.provable,
            container=layout.container,
        )

    async def missing(self) -> Collection[str]:
        """Return the archives whose finished copy is on the shelf alone. Raises the store's problems."""
        held = [each.name for each in await asyncio.to_thread(self._shelf.held) if each.finished]
        return set(held) - await self._objects.shared(held)

    async def sweep(self) -> None:
        """Delete what is in the bucket and no archive's, after a grace. Raises BucketError, the store's problems."""
        clock = self._repository.clock
        if not await is_of(self._bucket, await self._objects.store_id(now=clock.wall())):
            event(logger, logging.WARNING, "bucket_not_ours")
            return
        async for page in self._bucket.listed():
            old = [each.key for each in page if self._may_go(each, clock.wall())]
            # Asked after they were listed: a key is noted before the first byte under it is sent.
            gone = set(old) - await self._objects.known(old)
            if gone:
                await self._bucket.delete(sorted(gone))
                event(logger, logging.INFO, "objects_swept", objects=len(gone))

    @staticmethod
    def _may_go(listed: Listed, now: float) -> bool:
        return listed.key != MARKER and now - listed.modified > GRACE


def _verify(paths: Paths, ledger: Ledger) -> str | None:
    """Return what is wrong with the copy, in a sentence; for a thread."""
    return verify_copy(paths, ledger.layout, ledger.offsets.learned(), _nobody)


def _read(spool: Bytes, span: Span, checksums: Checksums) -> bytes:
    """Return the archive's bytes, counted into the checksums; for a thread. Raises OSError where they are not there."""
    data = bytes(spool.read(span.start, span.length))
    if len(data) != span.length:
        raise OSError(errno.EIO, "the copy has become shorter")
    checksums.add(data)
    return data


def _nobody(_: int) -> None:
    """Nobody watches how far the comparison has come."""
