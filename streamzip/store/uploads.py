"""Uploaded files whose bytes are in the bucket: which there are, under which names, and which archives need them.

Each attempt to put one there has a key of its own, noted before its first byte is sent; a name is given to the attempt
that is whole first. No lock is held between two calls: what must be true together is looked at in one transaction.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from sqlalchemy import BigInteger, Connection, Row, cast, delete, func, insert, select, update

from streamzip.store.reading import Reads
from streamzip.store.rows import Sealed
from streamzip.store.statements import changed
from streamzip.store.tables import fingerprints, upload_needs, uploads
from streamzip.store.writer import Writer

UPLOAD: Final = "upload"  # the kind of the document
_AT_ONCE: Final = 500  # values in one query

Outcome = Literal["kept", "name taken", "full", "gone"]
Removal = Literal["removed", "needed", "gone"]


@dataclass(frozen=True, slots=True)
class UploadRow:
    """One uploaded file. `id`: its object's key; `created_at`: whole epoch seconds."""

    id: str
    name: str
    size: int
    sha256: str
    crc32: int
    created_at: int


_COLUMNS = [uploads.c[name] for name in UploadRow.__dataclass_fields__]
_there = uploads.c.place.is_not(None)


class StoredUploads:
    """The files by their places, which stand for their names. Every method may raise errors.NotReady and
    errors.Damaged.
    """

    def __init__(self, reads: Reads, writer: Writer) -> None:
        self._reads = reads
        self._writer = writer

    async def begin(self, row: UploadRow, *, now: float) -> None:
        """Note that this file is about to be put into the bucket. `now`: epoch s."""
        await self._writer.apply(
            lambda connection: connection.execute(insert(uploads).values(**asdict(row), begun_at=now))
        )

    async def keep(self, id: str, place: str, document: Sealed, *, quota: int, files: int) -> Outcome:
        """Note that the file is there, and can be read: `document` says what its object holds.

        It is not kept where its place is taken, or all files would have more than `quota` bytes or be more than
        `files`; or where its attempt was given up meanwhile.
        """

        def change(connection: Connection) -> Outcome:
            # Of two transactions at once neither would see what the other one adds: one row is locked by each of them.
            store = select(fingerprints.c.fingerprint).where(fingerprints.c.purpose == "store")
            connection.execute(store.with_for_update()).first()
            size = connection.execute(select(uploads.c.size).where(uploads.c.id == id, ~_there)).scalar()
            if size is None:
                return "gone"
            if connection.execute(select(uploads.c.id).where(uploads.c.place == place)).first() is not None:
                return "name taken"
            there, taken = connection.execute(_usage).one()
            if there >= files or taken + size > quota:
                return "full"
            values = {"body": document.body, "key_id": document.key_id, "signature": document.signature}
            connection.execute(update(uploads).where(uploads.c.id == id).values(place=place, **values))
            return "kept"

        return await self._writer.apply(change)

    async def give_up(self, id: str) -> bool:
        """Forget an attempt, so that its object is nobody's; False where the file is kept."""

        def change(connection: Connection) -> bool:
            connection.execute(delete(uploads).where(uploads.c.id == id, ~_there))
            return connection.execute(select(uploads.c.id).where(uploads.c.id == id)).first() is None

        return await self._writer.apply(change)

    async def lapse(self, *, before: float) -> int:
        """Forget the attempts that began before that time (epoch s), and return how many there were."""
        old = delete(uploads).where(~_there, uploads.c.begun_at < before)
        return await self._writer.apply(lambda connection: changed(connection, old))

    async def listing(self) -> list[UploadRow]:
        """Return all files."""
        return [_row(each) for each in await self._reads.rows(select(*_COLUMNS).where(_there))]

    async def at(self, places: Collection[str]) -> list[UploadRow]:
        """Return the files in those places."""
        found: list[UploadRow] = []
        asked = list(places)
        for start in range(0, len(asked), _AT_ONCE):
            here = uploads.c.place.in_(asked[start : start + _AT_ONCE])
            found += [_row(each) for each in await self._reads.rows(select(*_COLUMNS).where(here))]
        return found

    async def usage(self) -> tuple[int, int]:
        """Return how many files there are, and how many bytes they have."""
        return next((row.files, row.taken) for row in await self._reads.rows(_usage))

    async def document(self, id: str) -> Sealed | None:
        """Return what the file's object holds, to be verified by the caller; None where the file is gone."""
        columns = (uploads.c.body, uploads.c.key_id, uploads.c.signature)
        rows = await self._reads.rows(select(*columns).where(uploads.c.id == id, _there))
        return Sealed(rows[0].body, rows[0].key_id, rows[0].signature) if rows else None

    async def needed_by(self, id: str) -> set[str]:
        """Return the archives that need the file."""
        rows = await self._reads.rows(select(upload_needs.c.hash).where(upload_needs.c.upload == id))
        return {row.hash for row in rows}

    async def remove(self, id: str, done: Collection[str]) -> Removal:
        """Remove the file, unless another archive needs it than those that are `done` with it."""

        def change(connection: Connection) -> Removal:
            here = select(uploads.c.id).where(uploads.c.id == id)
            if connection.execute(here.with_for_update()).first() is None:
                return "gone"
            # Asked after the row was locked: an archive that is created now waits for it, and finds the file gone.
            needs = select(upload_needs.c.hash).where(upload_needs.c.upload == id)
            if not set(connection.execute(needs).scalars()) <= set(done):
                return "needed"
            connection.execute(delete(uploads).where(uploads.c.id == id))
            return "removed"

        return await self._writer.apply(change)


def note_needs(connection: Connection, hash: str, ids: Collection[str]) -> None:
    """Note that the archive needs those files, within the transaction that keeps it. A file that is gone fails that."""
    if ids:
        connection.execute(insert(upload_needs), [{"upload": id, "hash": hash} for id in ids])


_usage = select(
    func.count(uploads.c.id).label("files"),
    cast(func.coalesce(func.sum(uploads.c.size), 0), BigInteger).label("taken"),  # PostgreSQL's sum is a decimal
).where(_there)


def _row(row: Row[Any]) -> UploadRow:
    return UploadRow(**row._mapping)
