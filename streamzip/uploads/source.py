"""Uploaded files as sources: `upload:NAME` of a manifest, pinned to the content that it had at create.

The pinned URL holds the content's digest: it is what the archive's hash covers, and another file under the same name
is not the one that the archive needs.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from concurrent.futures import Executor
from http import HTTPStatus
from mimetypes import MimeTypes

from streamzip.errors import NotFound, OriginError
from streamzip.files.aside import in_threads
from streamzip.manifest.fields import Fields
from streamzip.manifest.uploads import SCHEME, name_and_digest
from streamzip.origins.port import Facts, Opened, Validator
from streamzip.uploads.files import Upload, Uploads

RUN = 1 << 20  # bytes read at once

_TYPES = MimeTypes()  # Python's own table: the same on every machine


class UploadSource:
    """The source of `upload:`. `pool`: where files are read."""

    def __init__(self, uploads: Uploads, pool: Executor) -> None:
        self._uploads = uploads
        self._pool = pool

    def with_fields(self, fields: Fields, *, decode: bool = False) -> "UploadSource":
        """Return the source itself: nobody is asked."""
        return self

    def origin(self, url: str) -> str:
        """Return one name for all of them: they lie on one disk."""
        return SCHEME

    async def probe(self, url: str, *, keep: int = 0, patient: bool = True) -> Facts:
        """Return the facts of the file. Raises OriginError (`http_404`, `unsafe_url`)."""
        return facts_of(await self._find(url))

    @contextlib.asynccontextmanager
    async def open(
        self,
        url: str,
        *,
        start: int = 0,
        stop: int | None = None,
        pin: Validator | None = None,
        within: float | None = None,
    ) -> AsyncIterator[Opened]:
        """Give the bytes `[start, stop)` of the file. Raises OriginError."""
        upload = await self._find(url)
        async with contextlib.aclosing(self._chunks(upload, start, upload.size if stop is None else stop)) as chunks:
            yield Opened(facts_of(upload), start, chunks)

    async def _chunks(self, upload: Upload, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        try:
            async with contextlib.aclosing(read(self._uploads, upload, start, stop, self._pool)) as runs:
                async for run in runs:
                    yield run
        except NotFound as error:
            raise _gone() from error
        except OSError as error:
            raise OriginError("truncated", f"the uploaded file cannot be read: {error.strerror}") from error

    async def _find(self, url: str) -> Upload:
        try:
            name, sha256 = name_and_digest(url)
            upload = await asyncio.to_thread(self._uploads.find, name)
        except ValueError as error:
            raise OriginError("unsafe_url", str(error)) from error
        except NotFound as error:
            raise _gone() from error
        if upload.sha256 != sha256:
            raise _gone()
        return upload


def _gone() -> OriginError:
    return OriginError(f"http_{HTTPStatus.NOT_FOUND.value}", "the uploaded file is no longer there")


def content_type(name: str) -> str:
    """Return the type that the name's extension stands for."""
    return _TYPES.guess_type(name)[0] or "application/octet-stream"


def strong_etag(upload: Upload) -> str:
    """Return the file's ETag: the digest of its content, the strongest validator there is."""
    return f'"{upload.sha256}"'


def facts_of(upload: Upload) -> Facts:
    """Return what an origin would say of the file."""
    validator = Validator(strong_etag(upload), strong=True)
    return Facts(upload.size, validator, ranges=True, mtime=upload.created_at, content_type=content_type(upload.name))


def read(uploads: Uploads, upload: Upload, start: int, stop: int, pool: Executor) -> AsyncGenerator[bytes, None]:
    """Return bytes `[start, stop)` of the file. Raises NotFound where it is gone before the first of them, and
    OSError.
    """
    return in_threads(_runs(uploads, upload, start, stop), pool)


def _runs(uploads: Uploads, upload: Upload, start: int, stop: int) -> Generator[bytes, None, None]:
    fd = uploads.open(upload)
    try:
        while start < stop:
            run = os.pread(fd, min(RUN, stop - start), start)
            if not run:
                raise OSError(errno.EIO, "it has been cut short on disk")
            start += len(run)
            yield run
    finally:
        os.close(fd)
