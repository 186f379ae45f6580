"""What `streamzip verify` looks at: that every stored document is as it was signed, and every file as it was pulled."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from streamzip.access.keyring import KeyRing
from streamzip.assembly.verifying import BLOCK, Advance, verify_copy
from streamzip.config import Settings, SetupError
from streamzip.data_folder import load_key_ring_text
from streamzip.errors import Damaged, NotFound
from streamzip.objects.content import Blocks, Content
from streamzip.objects.port import Bucket, BucketError
from streamzip.objects.verifying import wrong_object
from streamzip.spool.file import Paths
from streamzip.spool.shelf import Shelf
from streamzip.start import open_bucket
from streamzip.store.dialects import dialect_of
from streamzip.store.examining import CRCS, LAYOUT, MANIFEST, Examination
from streamzip.store.migrations import SchemaTooNewError
from streamzip.store.objects import OBJECT
from streamzip.store.rows import ArchiveRow, Sealed
from streamzip.store.uploads import UPLOAD
from streamzip.store.vault import Vault
from streamzip.uploads.files import UploadFolder
from streamzip.uploads.in_bucket import UploadContent
from streamzip.zip.layout import Layout

RESTORE = "restore the store from a backup, or create the archive anew"
REMOVE = "streamzip verify --remove takes the copy away, and it is pulled again"
PULLED_AGAIN = "nothing: what differs is pulled again when it is wanted"
UPLOAD_AGAIN = "delete it and upload it again"
MADE_ANEW = "nothing: it is made anew when somebody reads it"


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was: what it is, what is wrong with it, and what to do."""

    subject: str
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem} (to do: {self.advice})"


class Verification:
    """A data folder, to be looked at; a gateway may run on it. `close` it at the end.

    `remove`: damaged copies are taken away, where nobody uses them. `deep`: objects of the bucket are read whole; else
    their sizes and ends are looked at. Raises SetupError where there is no store or no secret that could be looked at.
    """

    def __init__(self, settings: Settings, *, remove: bool = False, deep: bool = False) -> None:
        data = settings.data_dir
        if settings.secret_keys is None and not (data / "secret.keys").exists():
            raise SetupError(f"there is no secret in {data}: name the gateway's data folder with --data")
        try:
            keys = KeyRing.parse(load_key_ring_text(settings))
            url = None if settings.store_url is None else settings.store_url.get_secret_value()
            self._store = Examination(dialect_of(url, data))
        except FileNotFoundError as error:
            raise SetupError(f"there is no store in {data}: name the gateway's data folder with --data") from error
        except (ValueError, SchemaTooNewError) as error:
            raise SetupError(f"the store cannot be looked at: {error}") from error
        self._remove = remove
        self._deep = deep
        self._bucket = open_bucket(settings)
        self._loop = asyncio.Runner()
        self._vault = Vault(keys)
        self._shelf = Shelf(data / "spool", budget=0)
        # Opening would make its folders where nothing was ever uploaded.
        there = (data / "uploads" / "arriving").exists()
        self._uploads = UploadFolder(data / "uploads", most=0, quota=0, files=0) if there else None
        self.archives = self.copies = self.files = self.objects = 0  # what was looked at

    def close(self) -> None:
        """Let the store go."""
        self._loop.close()
        self._store.close()

    def size(self) -> int:
        """Return how many bytes will be compared, roughly."""
        uploads = [] if self._uploads is None else self._uploads.listing()
        here = sum(held.taken for held in self._shelf.held()) + sum(upload.size for upload in uploads)
        if self._bucket is None or not self._deep:
            return here
        with suppress(Damaged):  # it is said where the store is looked at
            here += self._store.bytes_in_bucket()
        return here

    def run(self, advance: Advance) -> Iterator[Damage]:
        """Look at everything, and give what is damaged as it is found; `advance` is told of bytes compared."""
        wrong = self._store.wrong()
        if wrong is not None:
            yield Damage("store", wrong, "restore the store from a backup")
        for hash in self._store.hashes():
            try:
                found = self._store.archive(hash)
            except Damaged as damage:
                yield Damage(f"archive {hash}", damage.detail, RESTORE)
                continue
            if found is not None:
                self.archives += 1
                yield from self._archive(*found, advance)
        yield from self._files(advance)
        if self._bucket is not None:
            yield from self._in_bucket(self._bucket, advance)

    def _archive(self, row: ArchiveRow, sealed: dict[str, Sealed], advance: Advance) -> Iterator[Damage]:
        subject = f"archive {row.hash}"
        if MANIFEST not in sealed:
            yield Damage(subject, "its list of files is missing", RESTORE)
            return
        try:
            self._vault.unseal_manifest(row.hash, sealed[MANIFEST])
            layout = self._opened("layout", row.hash, sealed.get(LAYOUT))
            learned = self._opened("learned", row.hash, sealed.get(CRCS))
            frozen = None if layout is None else Layout.decode(layout)
        except Damaged as damage:
            yield Damage(subject, damage.detail, RESTORE)
            return
        if frozen is not None:
            yield from self._copy(row.hash, frozen, learned, advance)

    def _opened(self, kind: str, hash: str, sealed: Sealed | None) -> bytes | None:
        return None if sealed is None else self._vault.unseal(kind, hash, sealed)

    def _copy(self, hash: str, layout: Layout, learned: bytes | None, advance: Advance) -> Iterator[Damage]:
        paths = self._shelf.paths(hash)
        self.copies += paths.finished.exists() or paths.part.exists()
        try:
            wrong = verify_copy(paths, layout, learned, advance)
        except OSError as error:
            wrong = f"it cannot be read: {error.strerror}"
        if wrong is None:
            return
        subject = f"copy {_shown(paths)}"
        if self._remove:
            gone = self._shelf.evict(hash)
            yield Damage(subject, wrong, "nothing: it was removed" if gone else "again later: it is in use now")
        else:
            yield Damage(subject, wrong, REMOVE if paths.finished.exists() else PULLED_AGAIN)

    def _files(self, advance: Advance) -> Iterator[Damage]:
        if self._uploads is None:
            return
        for upload in self._uploads.listing():
            self.files += 1
            try:
                wrong = _wrong_file(self._uploads.open(upload), upload.size, upload.crc32, advance)
            except NotFound:
                continue  # deleted meanwhile
            except OSError as error:
                wrong = f"it cannot be read: {error.strerror}"
            if wrong is not None:
                yield Damage(f"upload {upload.name}", wrong, UPLOAD_AGAIN)

    # -- the bucket --------------------------------------------------------------------------------------

    def _in_bucket(self, bucket: Bucket, advance: Advance) -> Iterator[Damage]:
        try:
            yield from self._objects(bucket, advance)
            yield from self._uploads_there(bucket, advance)
        except BucketError as error:
            yield Damage("bucket", f"it cannot be read: {error}", "look at it, and verify again")
        except Damaged as damage:
            yield Damage("store", damage.detail, "restore the store from a backup")

    def _objects(self, bucket: Bucket, advance: Advance) -> Iterator[Damage]:
        for hash in self._store.hashes():
            key, found = self._store.shared_key(hash), self._store.archive(hash)
            if key is None or found is None:
                continue
            self.objects += 1
            row, sealed = found
            wrong: str | None = "what its object holds is not known"
            if OBJECT in sealed:
                try:
                    content = Content.decode(self._vault.unseal(OBJECT, hash, sealed[OBJECT]))
                except Damaged as damage:
                    wrong = damage.detail
                else:
                    if (content.key, content.size) == (key, row.size):
                        wrong = self._compared(bucket, content, advance)
            if wrong is not None and self._store.shared_key(hash) == key:  # else it was deleted meanwhile
                yield Damage(f"copy {hash} in the bucket", wrong, MADE_ANEW)

    def _uploads_there(self, bucket: Bucket, advance: Advance) -> Iterator[Damage]:
        for row, sealed in self._store.uploads():
            self.files += 1
            try:
                content = UploadContent.decode(self._vault.unseal(UPLOAD, row.id, sealed))
                wrong = self._compared(bucket, content, advance) if content.is_of(row) else "its rows were altered"
            except Damaged as damage:
                wrong = damage.detail
            if wrong is not None and self._store.has_upload(row.id):
                yield Damage(f"upload {row.name}", wrong, UPLOAD_AGAIN)

    def _compared(self, bucket: Bucket, content: Blocks, advance: Advance) -> str | None:
        return self._loop.run(wrong_object(bucket, content, advance, deep=self._deep))


def _shown(paths: Paths) -> Path:
    return paths.finished if paths.finished.exists() else paths.part


def _wrong_file(fd: int, size: int, crc32: int, advance: Callable[[int], None]) -> str | None:
    with closing(os.fdopen(fd, "rb", buffering=0)) as file:
        crc = length = 0
        while block := file.read(BLOCK):
            crc, length = isal_zlib.crc32(block, crc), length + len(block)
            advance(len(block))
    if length != size:
        return f"it has {length:,} bytes and not {size:,}"
    return None if crc == crc32 else "it is not what was uploaded"
