"""The store looked at from outside, for `streamzip verify`: nothing is written, and a gateway may run beside it."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.exc import DBAPIError, ProgrammingError

from streamzip.config import SetupError
from streamzip.errors import Damaged
from streamzip.store.dialects import Dialect
from streamzip.store.migrations import STEPS, SchemaTooNewError, versions
from streamzip.store.repository import CRCS, LAYOUT, MANIFEST
from streamzip.store.rows import ArchiveRow, Sealed
from streamzip.store.tables import archives, documents, objects, uploads
from streamzip.store.uploads import UploadRow

__all__ = ["CRCS", "LAYOUT", "MANIFEST", "Examination"]

_EARLIER = "it was written by an earlier release, or by none: start the gateway once"


class Examination:
    """A store, read only. `close` it at the end.

    Raises FileNotFoundError; SetupError where it cannot be reached; ValueError where a gateway of this release has not
    opened it yet, SchemaTooNewError where only a later one can.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._engine = dialect.examine()
        try:
            with self._engine.connect() as connection:
                version = connection.execute(select(func.max(versions.c.version))).scalar_one()
        except ProgrammingError as error:
            raise ValueError(_EARLIER) from error
        except DBAPIError as error:
            if self.wrong() is None:
                raise SetupError(dialect.refusal(error)) from error
            return  # the database says what is wrong, and so is said below
        if version is None or version < len(STEPS):
            raise ValueError(_EARLIER)
        if version > len(STEPS):
            raise SchemaTooNewError("it was written by a later release: run that one")

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def wrong(self, *, within: float = math.inf) -> str | None:
        """Return what the database finds wrong with its files in `within` seconds, in a line; None for nothing."""
        return self._dialect.wrong(self._engine, within)

    def has_archives(self) -> bool:
        """Return whether there is any, or may be: in a file that cannot be read."""
        try:
            with self._engine.connect() as connection:
                return connection.execute(select(archives.c.hash).limit(1)).first() is not None
        except DBAPIError:
            return True

    def hashes(self) -> list[str]:
        """Return every archive's hash, as far as they can be read."""
        try:
            with self._engine.connect() as connection:
                return list(connection.execute(select(archives.c.hash).order_by(archives.c.hash)).scalars())
        except DBAPIError:
            return []

    def archive(self, hash: str) -> tuple[ArchiveRow, dict[str, Sealed]] | None:
        """Return an archive's facts and its sealed documents by their kind; None where it was deleted meanwhile.

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

    def shared_key(self, hash: str) -> str | None:
        """Return the key of the archive's object, where one was noted as shared. Raises Damaged."""
        query = select(objects.c.key).where(objects.c.hash == hash, objects.c.shared_at.is_not(None))
        found = self._rows(query)
        return found[0].key if found else None

    def uploads(self) -> list[tuple[UploadRow, Sealed]]:
        """Return the uploaded files in the bucket, each with the document of its object. Raises Damaged."""
        facts = [uploads.c[field.name] for field in dataclasses.fields(UploadRow)]
        sealed = [uploads.c.body, uploads.c.key_id, uploads.c.signature]
        query = select(*facts, *sealed).where(uploads.c.place.is_not(None)).order_by(uploads.c.name)
        found = []
        for row in self._rows(query):
            values = dict(row._mapping)
            document = Sealed(values.pop("body"), values.pop("key_id"), values.pop("signature"))
            found.append((UploadRow(**values), document))
        return found

    def has_upload(self, id: str) -> bool:
        """Return whether the uploaded file is there still. Raises Damaged."""
        return bool(self._rows(select(uploads.c.id).where(uploads.c.id == id)))

    def bytes_in_bucket(self) -> int:
        """Return how many bytes the objects have that were noted. Raises Damaged."""
        copies = select(func.sum(archives.c.size)).join(objects).where(objects.c.shared_at.is_not(None))
        files = select(func.sum(uploads.c.size)).where(uploads.c.place.is_not(None))
        return sum(int(row[0] or 0) for query in (copies, files) for row in self._rows(query))

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except (DBAPIError, TypeError, ValueError) as error:
            raise Damaged("its rows cannot be read") from error
