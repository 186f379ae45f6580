"""Uploaded files in the bucket that the gateways of a store share: any of them serves, packs and deletes them.

A file is received on this machine's disk, at its client's pace. Only when it is whole, and its digests are known, it
is put into the bucket, at the bucket's pace and a few at once; and only when it can be read there, its name is given to
it. Until then nobody was told that it is kept, and what a kill leaves is an object that the store does not know, or an
attempt that never ends: sweeps take both.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Final, NoReturn

from streamzip.errors import Damaged, NotReady, Problem
from streamzip.logs import event
from streamzip.manifest.uploads import key
from streamzip.objects.content import Blocks, Checksums, block_of
from streamzip.objects.port import Bucket, BucketError, Missing
from streamzip.objects.reads import ObjectLost, ObjectReads, ReadMemory
from streamzip.objects.remembered import Remembered
from streamzip.objects.writes import prove_readable
from streamzip.spans import Data
from streamzip.store.repository import Repository
from streamzip.store.uploads import UPLOAD, UploadRow
from streamzip.store.vault import Vault
from streamzip.uploads.arriving import CONTENT, Arriving, Incoming
from streamzip.uploads.port import Upload
from streamzip.uploads.problems import in_use, name_taken, no_file

logger = logging.getLogger(__name__)

PUTS_AT_ONCE: Final = 2  # by one process: each holds some parts in memory
PUT_WITHIN: Final = 60.0  # seconds, and as many more as the file takes at the slowest pace
SLOWEST: Final = 1 << 20  # bytes a second
DELETED_WITHIN: Final = 3.0  # seconds that a deletion waits for the bucket; then the sweep does it
LAPSES_AFTER: Final = 24 * 3600.0  # seconds for which an attempt may go on
_RUN: Final = 4 << 20  # bytes that are read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadContent(Blocks):
    """The content of an uploaded file's object."""

    name: str
    sha256: str
    crc32: int
    created_at: int

    def is_of(self, row: UploadRow) -> bool:
        """Return whether the row says the same."""
        mine = (self.key, self.name, self.size, self.sha256, self.crc32, self.created_at)
        return mine == (row.id, row.name, row.size, row.sha256, row.crc32, row.created_at)


class UploadsInBucket:
    """See Uploads. `memory`: that of all readers."""

    def __init__(
        self, incoming: Incoming, bucket: Bucket, repository: Repository, vault: Vault, memory: ReadMemory
    ) -> None:
        self._incoming = incoming
        self._bucket = bucket
        self._stored = repository.uploads
        self._clock = repository.clock
        self._vault = vault
        self._reads = ObjectReads(bucket, memory)
        self._contents: Remembered[str, UploadContent] = Remembered()
        self._puts = asyncio.Semaphore(PUTS_AT_ONCE)

    async def listing(self) -> list[Upload]:
        """See Uploads."""
        return sorted(map(_upload, await self._stored.listing()), key=lambda upload: upload.name)

    async def find(self, name: str) -> Upload:
        """See Uploads."""
        return _upload(await self._row(name))

    async def _row(self, name: str) -> UploadRow:
        for row in await self._stored.at(_places([name])):
            if row.name == name:
                return row
        raise no_file()

    async def named(self, names: Collection[str]) -> Mapping[str, Upload]:
        """See Uploads."""
        wanted = set(names)
        return {row.name: _upload(row) for row in await self._stored.at(_places(wanted)) if row.name in wanted}

    # -- reading -----------------------------------------------------------------------------------------

    async def read(self, upload: Upload, start: int, stop: int) -> AsyncGenerator[Data, None]:
        """See Uploads. Raises Damaged, before a wrong byte; NotReady where the bucket fails."""
        row = await self._row(upload.name)
        if _upload(row) != upload:
            raise no_file()
        content = await self._content(row)
        try:
            async with contextlib.aclosing(self._reads.read(content, start, stop)) as runs:
                async for run in runs:
                    yield run
        except ObjectLost as lost:
            event(logger, logging.WARNING, "upload_lost", key=content.key, reason=str(lost))
            _refuse(lost)

    async def _content(self, row: UploadRow) -> UploadContent:
        content = self._contents.get(row.id)
        if content is None:
            sealed = await self._stored.document(row.id)
            if sealed is None:
                raise no_file()
            content = UploadContent.decode(self._vault.unseal(UPLOAD, row.id, sealed))
            self._contents.put(row.id, content)
        if not content.is_of(row):
            raise Damaged("what is stored of the uploaded file does not match its signature")
        return content

    # -- taking a file -----------------------------------------------------------------------------------

    async def receive(self, name: str) -> Arriving:
        """See Uploads."""
        await self._check_free(name)
        files, taken = await self._stored.usage()
        self._incoming.check_room(files)
        async with self._incoming.changing():
            return await asyncio.to_thread(Arriving, self._incoming, self, name, taken)

    async def _check_free(self, name: str) -> None:
        for row in await self._stored.at(_places([name])):
            raise name_taken(row.name)

    async def put(self, folder: Path, content: FileIO, upload: Upload) -> None:
        """See Place. Raises NotReady (`bucket_unavailable`) too."""
        await self._check_free(upload.name)
        row = UploadRow(id=f"uploads/{secrets.token_hex(16)}", **asdict(upload))
        await self._stored.begin(row, now=self._clock.wall())
        kept = False
        try:
            async with self._puts:
                sealed = self._vault.seal(UPLOAD, row.id, (await self._copied(folder / CONTENT, row)).encode())
            quota, files = self._incoming.quota, self._incoming.files
            outcome = await self._stored.keep(row.id, key(row.name), sealed, quota=quota, files=files)
            kept = outcome == "kept"
        finally:
            if not kept:
                await asyncio.shield(self._undo(row.id))
        match outcome:
            case "name taken":
                raise name_taken(row.name)
            case "full":
                raise self._incoming.no_room()
            case "gone":
                raise NotReady("it took too long to keep the file; try again", retry_after=5)

    async def _copied(self, path: Path, row: UploadRow) -> UploadContent:
        checksums = Checksums(block_of(row.size))
        try:
            async with asyncio.timeout(PUT_WITHIN + row.size / SLOWEST):
                # A bucket that is away is known by a question sooner than by the attempts at a part.
                await self._bucket.size(row.id)
                await self._bucket.put(row.id, _runs(path, checksums), size=row.size)
                content = UploadContent(
                    key=row.id,
                    size=row.size,
                    block=checksums.block,
                    crcs=checksums.finish(),
                    name=row.name,
                    sha256=row.sha256,
                    crc32=row.crc32,
                    created_at=row.created_at,
                )
                await prove_readable(self._bucket, content)
        except (BucketError, TimeoutError) as error:
            event(logger, logging.WARNING, "upload_not_put", key=row.id, size=row.size, error=str(error))
            raise _away() from error
        return content

    async def _undo(self, id: str) -> None:
        """Take back an attempt. What fails is left to the sweeps."""
        with contextlib.suppress(Problem):
            # Of a commit whose end was not heard of the store tells whether it was one.
            if await self._stored.give_up(id):
                await self._discard(id)

    async def _discard(self, id: str) -> None:
        try:
            async with asyncio.timeout(DELETED_WITHIN):
                await self._bucket.delete([id])
        except (BucketError, TimeoutError) as error:
            event(logger, logging.WARNING, "object_not_deleted", key=id, error=str(error))

    # -- what needs files, and their end -----------------------------------------------------------------

    async def delete(self, name: str, is_needed: Callable[[str], Awaitable[bool]]) -> None:
        """See Uploads. An object that cannot be deleted now is left to the sweep."""
        row = await self._row(name)
        done: set[str] = set()
        while True:
            for archive_hash in await self._stored.needed_by(row.id) - done:
                if await is_needed(archive_hash):
                    raise in_use()
                done.add(archive_hash)
            outcome = await self._stored.remove(row.id, done)
            if outcome == "gone":
                raise no_file()
            if outcome == "removed":
                break
        await self._discard(row.id)

    def kept(self) -> AbstractAsyncContextManager[None]:
        """See Uploads: the transaction that keeps an archive fails where a file is gone."""
        return contextlib.nullcontext()

    async def need(self, files: Mapping[str, str], archive_hash: str) -> Collection[str]:
        """See Uploads."""
        rows = {row.name: row for row in await self._stored.at(_places(files))}
        if any(name not in rows or rows[name].sha256 != sha256 for name, sha256 in files.items()):
            raise no_file()
        return [rows[name].id for name in files]

    async def forget(self, known: Callable[[str], Awaitable[bool]]) -> None:
        """See Uploads: notes go with their archives."""
        lapsed = await self._stored.lapse(before=self._clock.wall() - LAPSES_AFTER)
        if lapsed:
            event(logger, logging.INFO, "uploads_lapsed", files=lapsed)

    async def sweep(self) -> None:
        """See Uploads."""
        await self._incoming.sweep()


async def _runs(path: Path, checksums: Checksums) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb", 0) as file:
        while run := await asyncio.to_thread(_read, file, checksums):
            yield run


def _read(file: FileIO, checksums: Checksums) -> bytes:
    run = file.read(_RUN)
    checksums.add(run)
    return run


def _refuse(lost: ObjectLost) -> NoReturn:
    """Raise what a client is told of an object that gave no right bytes."""
    cause = lost.__cause__
    if isinstance(cause, Missing):
        raise no_file() from lost
    if cause is None:
        raise Damaged("the uploaded file is not what was sent: delete it and send it again") from lost
    raise _away() from lost


def _away() -> NotReady:
    return NotReady(
        "the bucket of the uploaded files cannot be used now; try again", code="bucket_unavailable", retry_after=5
    )


def _upload(row: UploadRow) -> Upload:
    return Upload(row.name, row.size, row.sha256, row.crc32, row.created_at)


def _places(names: Collection[str]) -> list[str]:
    """Return what stands for the names; those that are no file's are left out."""
    places = []
    for name in names:
        with contextlib.suppress(ValueError):
            places.append(key(name))
    return places
