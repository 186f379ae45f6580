"""Which archives' finished copies are in the bucket, and under which keys.

Every attempt to put a copy there has a key of its own, noted before its first byte is sent: so whoever was taken for
dead writes over nothing, and what is in the bucket under a key that is not noted here is nobody's.
"""

import secrets
from collections.abc import Collection
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, delete, select, update

from streamzip.store.jobs import OFFLOAD
from streamzip.store.reading import Reads
from streamzip.store.rows import Sealed
from streamzip.store.statements import InsertAbsent, changed, put
from streamzip.store.tables import archives, documents, fingerprints, jobs, objects, uploads
from streamzip.store.writer import Writer

OBJECT: Final = "object"  # the kind of the document
_AT_ONCE: Final = 500  # values in one query

_add_fingerprint = InsertAbsent(fingerprints)


class Objects:
    """At most one object for an archive. Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, reads: Reads, writer: Writer) -> None:
        self._reads = reads
        self._writer = writer

    async def begin(self, hash: str, key: str, *, now: float) -> bool:
        """Note that the archive's copy is about to be put there under this key, in place of what others began.

        False where a copy is there already, or the archive is gone. `now`: epoch s.
        """

        def change(connection: Connection) -> bool:
            if connection.execute(select(archives.c.hash).where(archives.c.hash == hash)).first() is None:
                return False
            there = select(objects.c.hash).where(objects.c.hash == hash, objects.c.shared_at.is_not(None))
            if connection.execute(there).first() is not None:
                return False
            put(connection, objects, {"hash": hash}, {"key": key, "begun_at": now})
            return True

        return await self._writer.apply(change)

    async def share(self, hash: str, key: str, document: Sealed, *, now: float) -> bool:
        """Note that the copy is there, and can be read: `document` says what it holds. No other process of the store
        need put it there any more.

        False where another key was begun since, or the archive is gone: then nobody ever reads this one.
        """

        def change(connection: Connection) -> bool:
            mine = (objects.c.hash == hash) & (objects.c.key == key)
            if not changed(connection, update(objects).where(mine).values(shared_at=now)):
                return False
            values = {"body": document.body, "key_id": document.key_id, "signature": document.signature}
            put(connection, documents, {"hash": hash, "kind": OBJECT}, values)
            connection.execute(delete(jobs).where(jobs.c.hash == hash, jobs.c.kind.startswith(OFFLOAD)))
            return True

        return await self._writer.apply(change)

    async def forget(self, hash: str, key: str) -> bool:
        """Note that the object is gone or damaged, so that nobody reads it any more; False where another one stands."""

        def change(connection: Connection) -> bool:
            mine = (objects.c.hash == hash) & (objects.c.key == key)
            if not changed(connection, delete(objects).where(mine)):
                return False
            connection.execute(delete(documents).where(documents.c.hash == hash, documents.c.kind == OBJECT))
            return True

        return await self._writer.apply(change)

    async def document(self, hash: str) -> Sealed | None:
        """Return what the archive's object holds, to be verified by the caller; None where there is none."""
        columns = (documents.c.body, documents.c.key_id, documents.c.signature)
        rows = await self._reads.rows(select(*columns).where(documents.c.hash == hash, documents.c.kind == OBJECT))
        return Sealed(rows[0].body, rows[0].key_id, rows[0].signature) if rows else None

    async def key(self, hash: str) -> str | None:
        """Return the key that the archive's object has, or is about to have."""
        rows = await self._reads.rows(select(objects.c.key).where(objects.c.hash == hash))
        return rows[0].key if rows else None

    async def shared(self, hashes: Collection[str]) -> set[str]:
        """Return those of the archives whose copy is there."""
        return await self._found(objects.c.hash, hashes, objects.c.shared_at.is_not(None))

    async def known(self, keys: Collection[str]) -> set[str]:
        """Return those of the keys that are some archive's, or some uploaded file's."""
        return await self._found(objects.c.key, keys) | await self._found(uploads.c.id, keys)

    async def _found(self, column: Column[str], values: Collection[str], *conditions: ColumnElement[bool]) -> set[str]:
        found: set[str] = set()
        asked = list(values)
        for start in range(0, len(asked), _AT_ONCE):
            rows = await self._reads.rows(
                select(column).where(column.in_(asked[start : start + _AT_ONCE]), *conditions)
            )
            found.update(row[0] for row in rows)
        return found

    async def store_id(self, *, now: float) -> str:
        """Return the name of this store, made at the first call: all of its gateways have it, and no others."""

        def change(connection: Connection) -> str:
            key = {"purpose": "store", "key_id": "id"}
            _add_fingerprint(connection, {**key, "fingerprint": secrets.token_hex(16), "noted_at": now})
            chosen = select(fingerprints.c.fingerprint).where(fingerprints.c.purpose == "store")
            return str(connection.execute(chosen).scalar_one())

        return await self._writer.apply(change)
