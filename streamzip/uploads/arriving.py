"""Files that are being received, each in a folder of its own, until they are whole and put in their place.

    uploads/arriving/<random>/content   what came of it so far; locked by who receives it
    uploads/lock                        held by who changes which files there are

What a killed process left is recognised by its lock, which died with it. What is not async blocks.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Final, Protocol, Self

from isal import isal_zlib

from streamzip.errors import NoRoom, TooLarge
from streamzip.files.durable import DISK_FULL
from streamzip.files.locks import try_flock, when_free
from streamzip.uploads.port import Upload

NEW: Final = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
CONTENT: Final = "content"
_ASK_EVERY: Final = 0.01  # seconds
_BLOCK: Final = 256 << 10  # bytes written at once; each upload that is coming holds as many


class Incoming:
    """The files of one folder that are being received. `most`: bytes of one file; `quota`: of all files together, and
    `files`: how many there may be.
    """

    def __init__(self, root: Path, *, most: int, quota: int, files: int) -> None:
        self.aside = root / "arriving"
        self.quota = quota
        self.files = files
        self._lock = root / "lock"
        self._most = most
        self._coming = 0  # bytes of this process's files that are not in place yet
        self._counting = threading.Lock()
        for folder in (root, self.aside):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.asynccontextmanager
    async def changing(self, *, shared: bool = False) -> AsyncIterator[None]:
        """Hold the lock."""
        with FileIO(os.open(self._lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
            await when_free(partial(try_flock, file.fileno(), shared=shared), every=_ASK_EVERY)
            yield

    async def sweep(self) -> None:
        """Remove what processes that are gone left."""
        async with self.changing():
            await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        for folder in self.aside.iterdir():
            with ExitStack() as stack:
                with contextlib.suppress(FileNotFoundError):
                    content = stack.enter_context((folder / CONTENT).open("rb"))
                    if not try_flock(content.fileno()):
                        continue  # it is being received
                shutil.rmtree(folder, ignore_errors=True)

    def begin(self) -> tuple[Path, FileIO]:
        """Return a new folder with its content, locked; to be called while the lock is held, so that no sweep sees the
        content before it is locked. Raises NoRoom.
        """
        folder = self.aside / secrets.token_hex(16)
        with told_when_full():
            folder.mkdir(mode=0o700)
            content = FileIO(os.open(folder / CONTENT, os.O_WRONLY | NEW, 0o600), "wb")
        fcntl.flock(content, fcntl.LOCK_EX)
        return folder, content

    def check_room(self, files: int) -> None:
        """Raise NoRoom where there are so many files that one more is too many, whatever its size."""
        if files >= self.files:
            raise NoRoom(
                f"there may be {self.files} files (STREAMZIP_UPLOAD_MAX_FILES); delete some first",
                code="quota_exceeded",
            )

    def grow(self, size: int, taken: int, growth: int) -> None:
        """`growth` bytes more are arriving, of a file that has `size` with them. Raises TooLarge, NoRoom."""
        if size > self._most:
            raise TooLarge(
                f"a file may have at most {self._most} bytes (STREAMZIP_UPLOAD_MAX_BYTES)", code="file_too_large"
            )
        with self._counting:
            if taken + self._coming + growth > self.quota:
                raise self.no_room()
            self._coming += growth

    def give_back(self, size: int) -> None:
        """Note that so many bytes are no longer arriving."""
        with self._counting:
            self._coming -= size

    def no_room(self) -> NoRoom:
        """Return the problem of files that are too large together."""
        return NoRoom(
            f"all files together may have {self.quota} bytes (STREAMZIP_UPLOAD_QUOTA_BYTES); delete some first",
            code="quota_exceeded",
        )


class Place(Protocol):
    """The place that a file is put in once it is whole."""

    async def put(self, folder: Path, content: FileIO, upload: Upload) -> None:
        """Put what arrived in `folder` in its place, durably. Raises Conflict, NoRoom, NotReady."""


class Arriving:
    """A file that is being received: `add` its chunks, then `keep` it, or it is gone when it is left."""

    def __init__(self, incoming: Incoming, place: Place, name: str, taken: int) -> None:
        """To be made while the lock is held."""
        self._incoming = incoming
        self._place = place
        self._name = name
        self._folder, self._content = incoming.begin()
        self._taken = taken  # bytes of the files that were there when it began
        self._size = 0
        self._block = bytearray()
        self._crc = 0
        self._sha256 = hashlib.sha256()

    async def add(self, chunk: bytes) -> None:
        """Append the chunk; it is written with others. Raises TooLarge, NoRoom."""
        self._incoming.grow(self._size + len(chunk), self._taken, len(chunk))
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
        with told_when_full():
            while left:
                left = left[self._content.write(left) :]

    async def keep(self, *, now: float) -> Upload:
        """Put it in place, durably: all of it is here. `now`: epoch seconds. Raises Conflict, NoRoom."""
        await self._flush()
        # It becomes a Last-Modified, which may not lie after a Date that is a second old (RFC 9110 §8.8.2.1).
        upload = Upload(self._name, self._size, self._sha256.hexdigest(), self._crc, int(now) - 1)
        await self._place.put(self._folder, self._content, upload)
        return upload

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Remove what was not kept."""
        self._incoming.give_back(self._size)
        await asyncio.shield(asyncio.to_thread(self._leave))

    def _leave(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)  # it is elsewhere where it was kept
        self._content.close()


@contextlib.contextmanager
def told_when_full() -> Iterator[None]:
    """Raise a full disk as the problem that it is for a client."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise NoRoom("the disk is full; try again later", code="storage_full") from error
