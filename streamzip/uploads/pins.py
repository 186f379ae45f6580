"""Pins the uploaded files that a create names to the content that they have then, and keeps them for its archive."""

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from streamzip.errors import FieldError, InvalidRequest, NotFound, NotReady
from streamzip.files.aside import in_long_thread
from streamzip.manifest.model import Entry, Manifest
from streamzip.manifest.parse import CreateRequest
from streamzip.manifest.uploads import SCHEME, name_and_digest, name_in, pinned_url
from streamzip.uploads.port import Upload, Uploads
from streamzip.uploads.problems import no_file


@dataclass(frozen=True, slots=True)
class UploadPins:
    """See archives.create.Pins."""

    uploads: Uploads

    @contextlib.asynccontextmanager
    async def pinned(self, request: CreateRequest) -> AsyncIterator[CreateRequest]:
        """See Pins. Raises InvalidRequest where a file is not there."""
        if not any(entry.url.startswith(SCHEME) for entry in request.manifest.entries):
            yield request
            return
        async with self.uploads.kept():
            fixed = await self._fixed(request)
            try:
                yield replace(request, manifest=replace(request.manifest, entries=fixed))
            except NotFound as error:
                # Files of the store may go before their archive is kept, and then it is not.
                if await self._fixed(request) != fixed:
                    raise NotReady("an uploaded file was replaced just now; try again", retry_after=1) from error
                raise

    async def _fixed(self, request: CreateRequest) -> tuple[Entry, ...]:
        entries = request.manifest.entries
        names = await in_long_thread(partial(_names, entries))
        found = await self.uploads.named(names)
        pointer = "/urls/{}" if request.plain else "/entries/{}/url"
        return await in_long_thread(partial(_fixed, found, entries, pointer))

    async def note_needs(self, manifest: Manifest, archive_hash: str) -> Collection[str]:
        """See Pins."""
        files = dict(name_and_digest(entry.url) for entry in manifest.entries if entry.url.startswith(SCHEME))
        return await self.uploads.need(files, archive_hash) if files else ()


def _names(entries: Sequence[Entry]) -> set[str]:
    return {name_in(entry.url) for entry in entries if entry.url.startswith(SCHEME)}


def _fixed(found: Mapping[str, Upload], entries: Sequence[Entry], pointer: str) -> tuple[Entry, ...]:
    fixed = list(entries)
    for index, entry in enumerate(entries):
        if not entry.url.startswith(SCHEME):
            continue
        upload = found.get(name_in(entry.url))
        if upload is None:
            raise InvalidRequest([FieldError(pointer.format(index), no_file().detail)])
        crc32 = upload.crc32 if entry.crc32 is None else entry.crc32
        # An id would stand in the hash instead of the digest, and stay the same when the file is another.
        fixed[index] = replace(entry, url=pinned_url(upload.name, upload.sha256), id=None, crc32=crc32)
    return tuple(fixed)
