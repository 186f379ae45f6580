"""Which database the store is in: SQLite in the data folder, or PostgreSQL. Nothing else in the store asks which."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, Engine, TextClause
from sqlalchemy.exc import DBAPIError

from streamzip.config import SetupError, variable
from streamzip.store.availability import Availability
from streamzip.store.dialects.sqlite import Sqlite
from streamzip.store.notices import Notices

READERS: Final = 4  # threads, and a connection each; a large manifest being read does not hold up the small queries


class Dialect(Protocol):
    """A database, where it is, and what is done otherwise there than in another one."""

    @property
    def now(self) -> TextClause | None:
        """Return the query of the server's clock (epoch s); None where that is this machine's."""

    def open(self, readers: int) -> tuple[Engine, Engine]:
        """Return the engines of the readers, so many, and of the writer; nothing need be connected yet. OSError."""

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Hold off others of this machine that open the store, as far as `prepare` cannot."""

    def prepare(self, connection: Connection) -> None:
        """Hold off others that change the schema, until the transaction's end."""

    def check(self, connection: Connection) -> None:
        """Raise SetupError where the schema is there and cannot be used."""

    def availability(self) -> Availability:
        """Return what bounds the waits for it."""

    def notices(self) -> Notices:
        """Return what tells the other gateways of the store."""

    def examine(self) -> Engine:
        """Return an engine that reads and never writes, for one thread at a time. FileNotFoundError."""

    def wrong(self, engine: Engine, within: float) -> str | None:
        """Return what the database finds wrong with its files in `within` seconds, in a line; None for nothing."""

    def refusal(self, error: BaseException) -> str:
        """Return why it could not be opened, and what to do, in a sentence for the operator, without any secret."""


def dialect_of(url: str | None, data: Path) -> Dialect:
    """Return the database that `url` names; without one, SQLite in the data folder.

    PostgreSQL's driver is imported here, and only where it is asked for. Raises SetupError.
    """
    if url is None:
        return Sqlite(data / "streamzip.db")
    try:
        from streamzip.store.dialects.postgresql import Postgresql
    except ImportError as error:
        raise SetupError(
            f"{variable('store_url')} needs PostgreSQL's driver: install streamzip[postgresql] ({error})"
        ) from error
    return Postgresql(url)


def cause(error: BaseException) -> DBAPIError | None:
    """Return the database's own failure behind `error`, where there is one."""
    if isinstance(error, DBAPIError):
        return error
    return error.__cause__ if isinstance(error.__cause__, DBAPIError) else None
