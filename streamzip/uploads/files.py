"""Uploaded files on disk: each whole, proven durable, and under one name; or not there.

    uploads/<key of the name>/content       the file
    uploads/<key of the name>/about.json    its name, size, digests and time
    uploads/<key of the name>/needed/<hash> an archive that needs it
    uploads/arriving/<random>/              what is being received (arriving.py), or deleted

A client's name is never part of a path. A file arrives aside and is put in place by one rename, after all of it was
synced. What is not async blocks.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import asdict
from io import FileIO
from pathlib import Path

from streamzip.files.durable import sync_folder
from streamzip.logs import event
from streamzip.manifest.uploads import key
from streamzip.uploads.arriving import CONTENT, NEW, Arriving, Incoming, told_when_full
from streamzip.uploads.port import Upload
from streamzip.uploads.problems import in_use, name_taken, no_file

logger = logging.getLogger(__name__)

_KEY = re.compile(r"[0-9a-f]{32}")
_ABOUT = "about.json"
_NEEDED = "needed"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class UploadFolder:
    """The files beneath one folder. `most`: bytes of one file; `quota`: of all of them, and `files`: how many."""

    def __init__(self, root: Path, *, most: int, quota: int, files: int) -> None:
        self._root = root
        self._incoming = Incoming(root, most=most, quota=quota, files=files)

    # -- what is there -----------------------------------------------------------------------------------

    def listing(self) -> list[Upload]:
        """Return every file, by name."""
        found = [self._about(folder) for folder in self._folders()]
        return sorted((upload for upload in found if upload is not None), key=lambda upload: upload.name)

    def find(self, name: str) -> Upload:
        """Return the file of just this name. Raises NotFound."""
        upload = self._about(self._place(name))
        if upload is None or upload.name != name:
            raise no_file()
        return upload

    def open(self, upload: Upload) -> int:
        """Return a descriptor of the file's content. Raises NotFound where another one, or none, has its name now."""
        folder = self._place(upload.name)
        try:
            fd = os.open(folder / CONTENT, _READ)
        except FileNotFoundError as error:
            raise no_file() from error
        # Looked at after the content was opened: it cannot have been replaced before and be described by this.
        if self._about(folder) != upload:
            os.close(fd)
            raise no_file()
        return fd

    def _place(self, name: str) -> Path:
        """Return the folder of the file of this name. Raises NotFound for a text that is no file's name."""
        try:
            return self._root / key(name)
        except ValueError as error:
            raise no_file() from error

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
        self._incoming.check_room(len(sizes))
        return sum(sizes)

    # -- changes -----------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Remove what processes that are gone left aside."""
        await self._incoming.sweep()

    async def receive(self, name: str) -> Arriving:
        """Begin to take a file of this name; to be left as a context manager. Raises Conflict where there is one."""
        async with self._incoming.changing():
            return await asyncio.to_thread(self._receive, name)

    def _receive(self, name: str) -> Arriving:
        self._check_free(name)
        return Arriving(self._incoming, self, name, self._taken())

    def _check_free(self, name: str) -> None:
        folder = self._place(name)
        if folder.exists():
            there = self._about(folder)
            raise name_taken(name if there is None else there.name)

    async def put(self, folder: Path, content: FileIO, upload: Upload) -> None:
        """See Place."""
        await asyncio.to_thread(_finish, folder, content, upload)
        async with self._incoming.changing():
            await asyncio.to_thread(self._put, folder, upload)

    def _put(self, folder: Path, upload: Upload) -> None:
        self._check_free(upload.name)
        if self._taken() + upload.size > self._incoming.quota:  # another process may have been faster
            raise self._incoming.no_room()
        _move(folder, self._place(upload.name))

    async def delete(self, name: str, is_needed: Callable[[str], Awaitable[bool]]) -> None:
        """Remove the file. Raises NotFound; Conflict where `is_needed` says so of an archive that uses it."""
        place, aside = self._place(name), self._incoming.aside / secrets.token_hex(16)
        async with self._incoming.changing():
            await asyncio.to_thread(self.find, name)
            for hash in await asyncio.to_thread(os.listdir, place / _NEEDED):
                if await is_needed(hash):
                    raise in_use()
            await asyncio.to_thread(_move, place, aside)
        await asyncio.to_thread(shutil.rmtree, aside, ignore_errors=True)  # a sweep may be faster

    # -- archives that need files ------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep everything from being deleted meanwhile."""
        async with self._incoming.changing(shared=True):
            yield

    def need(self, name: str, hash: str) -> None:
        """Note, durably, that the archive `hash` needs the file; to be called while it is kept."""
        needed = self._place(name) / _NEEDED
        with told_when_full(), contextlib.suppress(FileExistsError):
            os.close(os.open(needed / hash, os.O_WRONLY | NEW, 0o600))
            sync_folder(needed)

    async def forget(self, known: Callable[[str], Awaitable[bool]]) -> None:
        """Remove the notes of archives that are gone: those of which `known` says no."""
        needs = await asyncio.to_thread(self._needs)
        gone = {hash for hash in needs if not await known(hash)}
        if not gone:
            return
        # An archive notes its need before there is one, while it keeps its files: asked again, it is there, or gone.
        async with self._incoming.changing():
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


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _move(place: Path, to: Path) -> None:
    """Rename, durably, for both folders that have changed."""
    place.rename(to)
    sync_folder(to.parent)
    sync_folder(place.parent)


def _finish(folder: Path, content: FileIO, upload: Upload) -> None:
    with told_when_full():
        os.fsync(content.fileno())
        (folder / _NEEDED).mkdir(mode=0o700)
        with FileIO(os.open(folder / _ABOUT, os.O_WRONLY | NEW, 0o600), "wb") as about:
            about.write(json.dumps(asdict(upload)).encode())
            os.fsync(about.fileno())
        sync_folder(folder)
