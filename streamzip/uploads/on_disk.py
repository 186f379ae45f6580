"""Uploaded files in the data folder, for the processes of one gateway."""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Generator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TypeVar

from streamzip.errors import NotFound
from streamzip.files.aside import in_long_thread, in_threads
from streamzip.spans import Data
from streamzip.uploads.arriving import Arriving
from streamzip.uploads.files import UploadFolder
from streamzip.uploads.port import Upload

T = TypeVar("T")

RUN = 1 << 20  # bytes read at once


class UploadsOnDisk:
    """See Uploads. `pool`: where files are read."""

    def __init__(self, folder: UploadFolder, pool: Executor) -> None:
        self._folder = folder
        self._pool = pool

    async def _aside(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def listing(self) -> list[Upload]:
        """See Uploads."""
        return await self._aside(self._folder.listing)

    async def find(self, name: str) -> Upload:
        """See Uploads."""
        return await self._aside(partial(self._folder.find, name))

    async def named(self, names: Collection[str]) -> Mapping[str, Upload]:
        """See Uploads."""
        return await in_long_thread(partial(_named, self._folder, names))

    def read(self, upload: Upload, start: int, stop: int) -> AsyncGenerator[Data, None]:
        """See Uploads."""
        return in_threads(_runs(self._folder, upload, start, stop), self._pool)

    async def receive(self, name: str) -> Arriving:
        """See Uploads."""
        return await self._folder.receive(name)

    async def delete(self, name: str, is_needed: Callable[[str], Awaitable[bool]]) -> None:
        """See Uploads."""
        await self._folder.delete(name, is_needed)

    def kept(self) -> AbstractAsyncContextManager[None]:
        """See Uploads."""
        return self._folder.kept()

    async def need(self, files: Mapping[str, str], archive_hash: str) -> Collection[str]:
        """See Uploads: all of it is noted in the data folder."""
        await in_long_thread(partial(_note, self._folder, files, archive_hash))
        return ()

    async def forget(self, known: Callable[[str], Awaitable[bool]]) -> None:
        """See Uploads."""
        await self._folder.forget(known)

    async def sweep(self) -> None:
        """See Uploads."""
        await self._folder.sweep()


def _named(folder: UploadFolder, names: Collection[str]) -> dict[str, Upload]:
    found = {}
    for name in names:
        with contextlib.suppress(NotFound):
            found[name] = folder.find(name)
    return found


def _note(folder: UploadFolder, names: Collection[str], archive_hash: str) -> None:
    for name in names:
        folder.need(name, archive_hash)


def _runs(folder: UploadFolder, upload: Upload, start: int, stop: int) -> Generator[bytes, None, None]:
    fd = folder.open(upload)
    try:
        while start < stop:
            run = os.pread(fd, min(RUN, stop - start), start)
            if not run:
                raise OSError(errno.EIO, "it has been cut short on disk")
            start += len(run)
            yield run
    finally:
        os.close(fd)
