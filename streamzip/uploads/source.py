"""Uploaded files as sources: `upload:NAME` of a manifest, pinned to the content that it had at create.

The pinned URL holds the content's digest: it is what the archive's hash covers, and another file under the same name
is not the one that the archive needs.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from http import HTTPStatus
from mimetypes import MimeTypes

from streamzip.errors import Damaged, NotFound, NotReady, OriginError
from streamzip.manifest.fields import Fields
from streamzip.manifest.uploads import SCHEME, name_and_digest
from streamzip.origins.port import Facts, Opened, Validator
from streamzip.spans import Data
from streamzip.uploads.port import Upload, Uploads

_TYPES = MimeTypes()  # Python's own table: the same on every machine


class UploadSource:
    """The source of `upload:`."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def with_fields(self, fields: Fields, *, decode: bool = False) -> "UploadSource":
        """Return the source itself: nobody is asked."""
        return self

    def origin(self, url: str) -> str:
        """Return one name for all of them: they lie on one disk, or in one bucket."""
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

    async def _chunks(self, upload: Upload, start: int, stop: int) -> AsyncGenerator[Data, None]:
        with _translated():
            async with contextlib.aclosing(self._uploads.read(upload, start, stop)) as runs:
                async for run in runs:
                    yield run

    async def _find(self, url: str) -> Upload:
        try:
            name, sha256 = name_and_digest(url)
        except ValueError as error:
            raise OriginError("unsafe_url", str(error)) from error
        with _translated():
            upload = await self._uploads.find(name)
        if upload.sha256 != sha256:
            raise _gone()
        return upload


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise what is wrong with a file as what would be wrong with an origin's."""
    try:
        yield
    except NotFound as error:
        raise _gone() from error
    except NotReady as error:
        raise OriginError("unreachable", error.detail, transient=True) from error
    except Damaged as error:
        raise OriginError("crc_mismatch", error.detail) from error
    except OSError as error:
        raise OriginError("truncated", f"the uploaded file cannot be read: {error.strerror}") from error


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
