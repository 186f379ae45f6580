"""Uploaded files on disk: each whole, proven durable, and under one name; or not there.

    uploads/<key of the name>/content       the file
    uploads/<key of the name>/about.json    its name, size, digests and time
    uploads/<key of the name>/needed/<hash> an archive that needs it
    uploads/arriving/<random>/              what is being received, or deleted; locked by who does so
    uploads/lock                            held by who changes which files there are

A client's name is never part of a path. A file arrives aside and is put in place by one rename, after all of it was
synced; what a killed process left aside is recognised by its lock, which died with it. What is not async blocks.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Self

from isal import isal_zlib

from streamzip.errors import Conflict, NoRoom, NotFound, TooLarge
from streamzip.files.durable import DISK_FULL, sync_folder
from streamzip.files.locks import try_flock, when_free
from streamzip.logs import event
from streamzip.manifest.uploads import key

logger = logging.getLogger(__name__)

_KEY = re.compile(r"[0-9a-f]{32}")
_CONTENT = "content"
_ABOUT = "about.json"
_NEEDED = "needed"
_NEW = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ASK_EVERY = 0.01  # seconds
_BLOCK = 256 << 10  # bytes written at once; each upload that is coming holds as many
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Upload:
    """One file that is there. `created_at`: whole seconds since the epoch."""

    name: str
    size: int
    sha256: str
    crc32: int
    created_at: int


class Uploads:
    """The files beneath one folder. `most`: bytes of one file; `quota`: of all of them, and `files`: how many."""

    def __init__(self, root: Path, *, most: int, quota: int, files: int) -> None:
        self._root = root
        self._aside = root / "arriving"
        self._most = most
        self._quota = quota
        self._files = files
        self._arriving = 0  # bytes of this process's files that are not in place yet
        self._counting = threading.Lock()
        for folder in (root, self._aside):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    # -- what is there -----------------------------------------------------------------------------------

    def listing(self) -> list[Upload]:
        """Return every file, by name."""
        found = [self._about(folder) for folder in self._folders()]
        return sorted((upload for upload in found if upload is not None), key=lambda upload: upload.name)

    def find(self, name: str) -> Upload:
        """Return the file of just this name. Raises NotFound."""
        upload = self._about(self._place(name))
        if upload is None or upload.name != name:
            raise NotFound("there is no uploaded file of this name")
        return upload

    def open(self, upload: Upload) -> int:
        """Return a descriptor of the file's content. Raises NotFound where another one, or none, has its name now."""
        folder = self._place(upload.name)
        try:
            fd = os.open(folder / _CONTENT, _READ)
        except FileNotFoundError as error:
            raise NotFound("there is no uploaded file of this name") from error
        # Looked at after the content was opened: it cannot have been replaced before and be described by this.
        if self._about(folder) != upload:
            os.close(fd)
            raise NotFound("there is no uploaded file of this name")
        return fd

    def _place(self, name: str) -> Path:
        """Return the folder of the file of this name. Raises NotFound for a text that is no file's name."""
        try:
            return self._root / key(name)
        except ValueError as error:
            raise NotFound("there is no uploaded file of this name") from error

    def _folders(self) -> Iterator[Path]:
        with os.scandir(self._root) as entries:
            for entry in entries:
                if _KEY.fullmatch(entry.name):
                    yield Path(entry.path)

    def _about(self, folder: Path) -> Upload | None:
        try:
            return Upload(**json.loads((folder / _ABOUT).read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            event(logger, logging.ERROR, "upload_damaged", folder=folder.name)
            return None

    def _taken(self) -> int:
        """Return how many bytes all files have. Raises NoRoom where one more is too many, whatever its size."""
        sizes = [upload.size for upload in self.listing()]
        if len(sizes) >= self._files:
            raise NoRoom(
                f"there may be {self._files} files (STREAMZIP_UPLOAD_MAX_FILES); delete some first",
                code="quota_exceeded",
            )
        return sum(sizes)

    # -- changes -----------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _changing(self, *, shared: bool = False) -> AsyncIterator[None]:
        """Hold the lock."""
        with FileIO(os.open(self._root / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
            await when_free(partial(try_flock, file.fileno(), shared=shared), every=_ASK_EVERY)
            yield

    async def sweep(self) -> None:
        """Remove what processes that are gone left aside."""
        async with self._changing():
            await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        for folder in self._aside.iterdir():
            with ExitStack() as stack:
                with contextlib.suppress(FileNotFoundError):
                    content = stack.enter_context((folder / _CONTENT).open("rb"))
                    if not try_flock(content.fileno()):
                        continue  # it is being received
                shutil.rmtree(folder, ignore_errors=True)

    async def receive(self, name: str) -> "Arriving":
        """Begin to take a file of this name; to be left as a context manager. Raises Conflict where there is one."""
        async with self._changing():  # so that no sweep sees the content before it is locked
            return await asyncio.to_thread(self._receive, name)

    def _receive(self, name: str) -> "Arriving":
        self._check_free(name)
        taken = self._taken()
        folder = self._aside / secrets.token_hex(16)
        with _told_when_full():
            folder.mkdir(mode=0o700)
            content = FileIO(os.open(folder / _CONTENT, os.O_WRONLY | _NEW, 0o600), "wb")
        fcntl.flock(content, fcntl.LOCK_EX)
        return Arriving(self, name, folder, content, taken)

    def _check_free(self, name: str) -> None:
        folder = self._place(name)
        if folder.exists():
            there = self._about(folder)
            raise Conflict(
                f"there is a file of the name {name if there is None else there.name} already; rename yours, or "
                "delete that one first",
                code="name_taken",
            )

    def grow(self, size: int, taken: int, growth: int) -> None:
        """`growth` bytes more are arriving, of a file that has `size` with them. Raises TooLarge, NoRoom."""
        if size > self._most:
            raise TooLarge(
                f"a file may have at most {self._most} bytes (STREAMZIP_UPLOAD_MAX_BYTES)", code="file_too_large"
            )
        with self._counting:
            if taken + self._arriving + growth > self._quota:
                raise self._no_room()
            self._arriving += growth

    def give_back(self, size: int) -> None:
        """Note that so many bytes are no longer arriving."""
        with self._counting:
            self._arriving -= size

    def _no_room(self) -> NoRoom:
        return NoRoom(
            f"all files together may have {self._quota} bytes (STREAMZIP_UPLOAD_QUOTA_BYTES); delete some first",
            code="quota_exceeded",
        )

    async def put(self, folder: Path, upload: Upload) -> None:
        """Put what arrived in `folder` in its place, durably. Raises Conflict, NoRoom."""
        async with self._changing():
            await asyncio.to_thread(self._put, folder, upload)

    def _put(self, folder: Path, upload: Upload) -> None:
        self._check_free(upload.name)
        if self._taken() + upload.size > self._quota:  # another process may have been faster
            raise self._no_room()
        _move(folder, self._place(upload.name))

    async def delete(self, name: str, is_needed: Callable[[str], Awaitable[bool]]) -> None:
        """Remove the file. Raises NotFound; Conflict where `is_needed` says so of an archive that uses it."""
        place, aside = self._place(name), self._aside / secrets.token_hex(16)
        async with self._changing():
            await asyncio.to_thread(self.find, name)
            for hash in await asyncio.to_thread(os.listdir, place / _NEEDED):
                if await is_needed(hash):
                    raise Conflict(
                        "an archive that is not finished needs this file; download that archive, or delete it, first",
                        code="upload_in_use",
                    )
            await asyncio.to_thread(_move, place, aside)
        await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)  # a sweep may be faster

    # -- archives that need files ------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep everything from being deleted meanwhile."""
        async with self._changing(shared=True):
            yield

    def need(self, name: str, hash: str) -> None:
        """Note, durably, that the archive `hash` needs the file; to be called while it is kept."""
        needed = self._place(name) / _NEEDED
        with _told_when_full(), contextlib.suppress(FileExistsError):
            os.close(os.open(needed / hash, os.O_WRONLY | _NEW, 0o600))
            sync_folder(needed)

    async def forget(self, known: Callable[[str], Awaitable[bool]]) -> None:
        """Remove the notes of archives that are gone: those of which `known` says no."""
        needs = await asyncio.to_thread(self._needs)
        gone = {hash for hash in needs if not await known(hash)}
        if not gone:
            return
        # An archive notes its need before there is one, while it keeps its files: asked again, it is there, or gone.
        async with self._changing():
            for hash in gone:
                if not await known(hash):
                    await asyncio.to_thread(_unlink, needs[hash])

    def _needs(self) -> dict[str, list[Path]]:
        """Return every archive that is noted as needing files, with the notes."""
        found: dict[str, list[Path]] = {}
        for folder in self._folders():
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                for note in (folder / _NEEDED).iterdir():
                    found.setdefault(note.name, []).append(note)
        return found


class Arriving:
    """A file that is being received: `add` its chunks, then `keep` it, or it is gone when it is left."""

    def __init__(self, uploads: Uploads, name: str, folder: Path, content: FileIO, taken: int) -> None:
        self._uploads = uploads
        self._name = name
        self._folder = folder
        self._content = content
        self._taken = taken  # bytes of the files that were there when it began
        self._size = 0
        self._block = bytearray()
        self._crc = 0
        self._sha256 = hashlib.sha256()

    async def add(self, chunk: bytes) -> None:
        """Append the chunk; it is written with others. Raises TooLarge, NoRoom."""
        self._uploads.grow(self._size + len(chunk), self._taken, len(chunk))
        self._size += len(chunk)
        self._block += chunk
        if len(self._block) >= _BLOCK:
            await self._flush()

    async def _flush(self) -> None:
        block, self._block = self._block, bytearray()
        await asyncio.to_thread(self._write, block)

    def _write(self, block: bytearray) -> None:
        self._sha256.update(block)
        self._crc = isal_zlib.crc32(block, self._crc)
        left = memoryview(block)
        with _told_when_full():
            while left:
                left = left[self._content.write(left) :]

    async def keep(self, *, now: float) -> Upload:
        """Put it in place, durably: all of it is here. `now`: epoch seconds. Raises Conflict, NoRoom."""
        await self._flush()
        # It becomes a Last-Modified, which may not lie after a Date that is a second old (RFC 9110 §8.8.2.1).
        upload = Upload(self._name, self._size, self._sha256.hexdigest(), self._crc, int(now) - 1)
        await asyncio.to_thread(self._finish, upload)
        await self._uploads.put(self._folder, upload)
        return upload

    def _finish(self, upload: Upload) -> None:
        with _told_when_full():
            os.fsync(self._content.fileno())
            (self._folder / _NEEDED).mkdir(mode=0o700)
            with FileIO(os.open(self._folder / _ABOUT, os.O_WRONLY | _NEW, 0o600), "wb") as about:
                about.write(json.dumps(asdict(upload)).encode())
                os.fsync(about.fileno())
            sync_folder(self._folder)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Remove what was not kept."""
        self._uploads.give_back(self._size)
        await asyncio.shield(asyncio.to_thread(self._leave))

    def _leave(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)  # it is elsewhere where it was kept
        self._content.close()


@contextlib.contextmanager
def _told_when_full() -> Iterator[None]:
    """Raise a full disk as the problem that it is for a client."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise NoRoom("the disk is full; try again later", code="storage_full") from error


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _move(place: Path, to: Path) -> None:
    """Rename, durably, for both folders that have changed."""
    place.rename(to)
    sync_folder(to.parent)
    sync_folder(place.parent)
