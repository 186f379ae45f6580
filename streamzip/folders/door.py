"""Folders on the fly: GET and HEAD /archive/{folder}/. The folder's name is its secret, so that whatever does not lead
to a folder is answered alike.
"""

import asyncio
import contextlib
import errno
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streamzip.clock import Clock
from streamzip.config import Settings
from streamzip.edge.disposition import attachment
from streamzip.edge.pacing import paced
from streamzip.edge.representation import Representation, respond
from streamzip.errors import Conflict, NotFound, NotReady, Problem, TooLarge
from streamzip.files.aside import in_threads
from streamzip.folders.packing import Checksums, FolderArchive
from streamzip.folders.tree import MOST_DEEP, Changed, TooDeep, TooMany
from streamzip.logs import event

logger = logging.getLogger(__name__)

RESERVED = "get"  # /archive/get/… are the archives
LISTINGS = 2  # at once: each may hold a descriptor for every level of its tree
FILENAME = "archive.zip"
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_NO_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


class Folders:
    """The handlers, over the folder of folders that the settings name, if any. `pool`: where files are read."""

    def __init__(self, settings: Settings, clock: Clock, pool: Executor) -> None:
        self._settings = settings
        self._clock = clock
        self._checksums = Checksums()
        self._pool = pool
        self._listings = asyncio.Semaphore(LISTINGS)

    async def without_slash(self, request: Request) -> Response:
        """GET | HEAD /archive/{folder}: 307 to the folder, whether or not there is one."""
        self._place(request)
        # Relative, and so free of the Host header; the name is the path's own last part, encoded anew.
        target = f"{quote(request.path_params['folder'], safe='')}/"
        return RedirectResponse(f"{target}?{request.url.query}" if request.url.query else target, 307)

    async def get(self, request: Request) -> Response:
        """GET | HEAD /archive/{folder}/"""
        root, name = self._place(request)
        async with contextlib.AsyncExitStack() as stack:
            archive = await stack.enter_async_context(self._opened(root, name))
            selected = Representation(
                noun="folder's archive",
                headers={
                    "Content-Type": "application/zip",
                    "Content-Disposition": attachment(FILENAME),
                    "X-Content-Type-Options": "nosniff",
                    # What the folder holds may change at any time: a cache asks whether the ETag still is the one.
                    "Cache-Control": "private, no-cache, no-transform",
                    "ETag": archive.etag,
                    "Accept-Ranges": "bytes",
                    "X-Accel-Buffering": "no",
                },
                length=archive.length,
                etag=archive.etag,
                last_modified=None,
                read=partial(self._read, archive),
            )
            return await respond(
                request, selected, stack, now=self._clock.wall(), write_timeout=self._settings.write_timeout
            )

    def _place(self, request: Request) -> tuple[Path, str]:
        """Return the folder of folders, and the name in it that was asked for."""
        root, name = self._settings.folders_dir, request.path_params["folder"]
        if root is None or name in (RESERVED, ".", ".."):
            raise _unknown()
        if name.startswith(".") and not self._settings.folders_hidden:
            raise _unknown()  # .git, .ssh, .trash: nobody means them when the folder above is shared
        return root, name

    @contextlib.asynccontextmanager
    async def _opened(self, root: Path, name: str) -> AsyncIterator[FolderArchive]:
        make = partial(FolderArchive, root, name, most=self._settings.max_entries, checksums=self._checksums)
        async with self._listings:
            listing = asyncio.get_running_loop().run_in_executor(self._pool, make)
            try:
                archive = await asyncio.shield(listing)
            except asyncio.CancelledError:
                listing.add_done_callback(_close_unused)
                raise
            except ValueError as error:
                raise _unknown() from error
            except OSError as error:
                raise _refused(error) from error
            except TooDeep as error:
                raise Conflict(
                    f"the folder has more than {MOST_DEEP} levels of folders in it", code="folder_too_deep"
                ) from error
            except TooMany as error:
                raise TooLarge(f"the folder holds more than {self._settings.max_entries} files") from error
        if archive.left_out:
            event(logger, logging.WARNING, "folder_incomplete", left_out=archive.left_out)
        try:
            yield archive
        finally:
            archive.close()

    async def _read(self, archive: FolderArchive, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        runs = in_threads(_told(archive.runs(start, archive.length if stop is None else stop)), self._pool)
        if self._settings.folders_rate:
            runs = paced(runs, self._settings.folders_rate, self._clock)
        async with contextlib.aclosing(runs):
            async for run in runs:
                yield run


def _told(runs: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield the runs; a file that is not what was listed is a Problem."""
    try:
        yield from runs
    except Changed as error:
        detail = f"a file of the folder was changed while it was read: {error}"
        raise NotReady(detail, code="folder_changed", retry_after=1) from error


def _unknown() -> NotFound:
    return NotFound("there is no folder of this name")


def _refused(error: OSError) -> Problem:
    """Return what a folder that cannot be listed is answered with. The operator alone learns that one is forbidden."""
    if error.errno in _NO_FOLDER:
        return _unknown()
    event(logger, logging.WARNING, "folder_refused", detail=error.strerror)
    if error.errno in _FORBIDDEN:
        return _unknown()
    return NotReady("the folder cannot be read now; try again", code="folder_unavailable", retry_after=10)


def _close_unused(listing: "asyncio.Future[FolderArchive]") -> None:
    """Close the archive of a listing that nobody waits for any more."""
    if not listing.cancelled() and listing.exception() is None:
        listing.result().close()
