"""What `streamzip verify` looks at: that every stored document is as it was signed, and every file as it was pulled."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from streamzip.access.keyring import KeyRing
from streamzip.assembly.verifying import BLOCK, Advance, verify_copy
from streamzip.config import Settings, SetupError
from streamzip.data_folder import load_key_ring_text
from streamzip.errors import Damaged, NotFound
from streamzip.spool.file import Paths
from streamzip.spool.shelf import Shelf
from streamzip.store.dialects import dialect_of
from streamzip.store.examining import CRCS, LAYOUT, MANIFEST, Examination
from streamzip.store.migrations import SchemaTooNewError
from streamzip.store.rows import ArchiveRow, Sealed
from streamzip.store.vault import Vault
from streamzip.uploads.files import UploadFolder
from streamzip.zip.layout import Layout

RESTORE = "restore the store from a backup, or create the archive anew"
REMOVE = "streamzip verify --remove takes the copy away, and it is pulled again"
PULLED_AGAIN = "nothing: what differs is pulled again when it is wanted"
UPLOAD_AGAIN = "delete it and upload it again"


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

    `remove`: damaged copies are taken away, where nobody uses them. Raises SetupError where there is no store or no
    secret that could be looked at.
    """

    def __init__(self, settings: Settings, *, remove: bool = False) -> None:
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
        self._vault = Vault(keys)
        self._shelf = Shelf(data / "spool", budget=0)
        # Opening would make its folders where nothing was ever uploaded.
        there = (data / "uploads" / "arriving").exists()
        self._uploads = UploadFolder(data / "uploads", most=0, quota=0, files=0) if there else None
        self.archives = self.copies = self.files = 0  # what was looked at

    def close(self) -> None:
        """Let the store go."""
        self._store.close()

    def size(self) -> int:
        """Return how many bytes will be compared, roughly."""
        uploads = [] if self._uploads is None else self._uploads.listing()
        return sum(held.taken for held in self._shelf.held()) + sum(upload.size for upload in uploads)

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
