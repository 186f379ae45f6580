"""The store looked at from outside, for `streamzip verify`: nothing is written, and a gateway may run beside it."""

import dataclasses
import math

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, ProgrammingError

from streamzip.config import SetupError
from streamzip.errors import Damaged
from streamzip.store.dialects import Dialect
from streamzip.store.migrations import STEPS, SchemaTooNewError, versions
from streamzip.store.repository import CRCS, LAYOUT, MANIFEST
from streamzip.store.rows import ArchiveRow, Sealed
from streamzip.store.tables import archives, documents

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
