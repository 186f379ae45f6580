"""Pins the uploaded files that a create names to the content that they have then, and keeps them for its archive."""

import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from streamzip.errors import FieldError, InvalidRequest, NotFound
from streamzip.files.aside import in_long_thread
from streamzip.manifest.model import Entry, Manifest
from streamzip.manifest.parse import CreateRequest
from streamzip.manifest.uploads import SCHEME, name_and_digest, name_in, pinned_url
from streamzip.uploads.files import Uploads


@dataclass(frozen=True, slots=True)
class UploadPins:
    """See archives.create.Pins."""

    uploads: Uploads

    @contextlib.asynccontextmanager
    async def pinned(self, request: CreateRequest) -> AsyncIterator[CreateRequest]:
        """See Pins. Raises InvalidRequest where a file is not there."""
        entries = request.manifest.entries
        if not any(entry.url.startswith(SCHEME) for entry in entries):
            yield request
            return
        pointer = "/urls/{}" if request.plain else "/entries/{}/url"
        async with self.uploads.kept():
            fixed = await in_long_thread(partial(_fixed, self.uploads, entries, pointer))
            yield replace(request, manifest=replace(request.manifest, entries=fixed))

    async def note_needs(self, manifest: Manifest, archive_hash: str) -> None:
        """See Pins."""
        names = {name_and_digest(entry.url)[0] for entry in manifest.entries if entry.url.startswith(SCHEME)}
        if names:
            await in_long_thread(partial(_note, self.uploads, names, archive_hash))


def _fixed(uploads: Uploads, entries: Sequence[Entry], pointer: str) -> tuple[Entry, ...]:
    fixed = list(entries)
    for index, entry in enumerate(entries):
        if not entry.url.startswith(SCHEME):
            continue
        try:
            upload = uploads.find(name_in(entry.url))
        except NotFound as error:
            raise InvalidRequest([FieldError(pointer.format(index), error.detail)]) from error
        crc32 = upload.crc32 if entry.crc32 is None else entry.crc32
        # An id would stand in the hash instead of the digest, and stay the same when the file is another.
        fixed[index] = replace(entry, url=pinned_url(upload.name, upload.sha256), id=None, crc32=crc32)
    return tuple(fixed)


def _note(uploads: Uploads, names: Collection[str], hash: str) -> None:
    for name in names:
        uploads.need(name, hash)
