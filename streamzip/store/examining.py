"""The store looked at from outside, for `streamzip verify`: nothing is written, and a gateway may run beside it."""

import dataclasses
import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from streamzip.errors import Damaged
from streamzip.store.migrations import STEPS, SchemaTooNewError, versions
from streamzip.store.repository import CRCS, LAYOUT, MANIFEST
from streamzip.store.rows import ArchiveRow, Sealed
from streamzip.store.tables import archives, documents

__all__ = ["CRCS", "LAYOUT", "MANIFEST", "Examination"]


class Examination:
    """The SQLite file `path`, read only. `close` it at the end.

    Raises FileNotFoundError; ValueError where a gateway of this release has not opened it yet, SchemaTooNewError where
    only a later one can.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise FileNotFoundError(path)
        self._engine = _engine(path)
        try:
            with self._engine.connect() as connection:
                version = connection.execute(select(func.max(versions.c.version))).scalar_one()
        except DBAPIError:
            return  # SQLite says below what is wrong
        if version is None or version < len(STEPS):
            raise ValueError("it was written by an earlier release: start the gateway once")
        if version > len(STEPS):
            raise SchemaTooNewError("it was written by a later release: run that one")

    def close(self) -> None:
        """Let the file go."""
        self._engine.dispose()

    def wrong(self) -> str | None:
        """What SQLite itself finds wrong with its file, in a line; None where that is nothing."""
        try:
            with self._engine.connect() as connection:
                found = [str(row[0]) for row in connection.execute(text("PRAGMA quick_check(3)"))]
        except DBAPIError as error:
            return str(error.orig)
        return None if found == ["ok"] else "; ".join(found)

    def hashes(self) -> list[str]:
        """Every archive's hash, as far as they can be read."""
        try:
            with self._engine.connect() as connection:
                return list(connection.execute(select(archives.c.hash).order_by(archives.c.hash)).scalars())
        except DBAPIError:
            return []

    def archive(self, hash: str) -> tuple[ArchiveRow, dict[str, Sealed]] | None:
        """An archive's facts and its sealed documents by their kind; None where it was deleted meanwhile.

        Raises Damaged.
        """
        columns = [archives.c[field.name] for field in dataclasses.fields(ArchiveRow)]
        try:
            with self._engine.connect() as connection:
                row = connection.execute(select(*columns).where(archives.c.hash == hash)).first()
                found = connection.execute(select(documents).where(documents.c.hash == hash)).all()
        except (DBAPIError, TypeError, ValueError) as error:  # a value of another type, too
            raise Damaged("its rows cannot be read") from error
        if row is None:
            return None
        if not all(isinstance(each.body, bytes) and isinstance(each.signature, str) for each in found):
            raise Damaged("its rows cannot be read")
        return ArchiveRow(**row._mapping), {each.kind: Sealed(each.body, each.key_id, each.signature) for each in found}


def _engine(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10.0)

    return create_engine("sqlite://", creator=connect, poolclass=StaticPool, hide_parameters=True)
