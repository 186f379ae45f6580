"""PostgreSQL, for a store that outlives its machine or that several gateways share.

psycopg in the threads there are, as with SQLite: a query or a transaction is one step of a thread. Readers are in
autocommit, so that every query sees the newest commit; both go to the primary alone. What the operator's URL says about
a connection stands; the rest is set here, so that nobody waits long for a server or a network that is gone.
"""

import contextlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import QueuePool

from streamzip.config import SetupError, variable
from streamzip.store.availability import Availability
from streamzip.store.dialects import cause
from streamzip.store.dialects.listening import PostgresqlNotices
from streamzip.store.notices import Notices
from streamzip.store.tables import metadata

# libpq's names (its manual, "Parameter Key Words"): seconds, but for the last one.
_CONNECTION: Final[Mapping[str, str | int]] = {
    "application_name": "streamzip",
    "target_session_attrs": "read-write",  # of several hosts the primary, also after one was promoted
    "connect_timeout": 3,  # for each host
    "keepalives": 1,
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 6000,  # ms
}
_SESSION: Final[Mapping[str, str]] = {  # ms; what is given up here frees its locks for others
    "statement_timeout": "9000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "10000",
}
WITHIN: Final = 10.0  # seconds; a server that is stopped keeps its connections, and ends no statement
PAUSE: Final = 1.0  # seconds between two attempts at a server that is away
MIGRATING: Final = "10min"  # a step may have to rewrite a large table
_ADVISORY_LOCK: Final = 0x73747265616D7A  # "streamz": who holds it changes the schema
_READ_ONLY: Final = "25006"

_MISSING_RIGHTS = text(
    "SELECT t || ': ' || p FROM unnest(CAST(:tables AS text[])) AS t,"
    " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p WHERE NOT has_table_privilege(t, p)"
)


class Postgresql:
    """The database that a connection URL names, as libpq reads it: several hosts, a service, certificates. `parameters`
    are those of its connections, by libpq's names.

    Raises SetupError where it cannot be read; its text holds none of the URL, which may hold a password.
    """

    now = text("SELECT extract(epoch FROM clock_timestamp())::float8")

    def __init__(self, url: str) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            raise SetupError(
                f"{variable('store_url')} cannot be read: write postgresql://user:password@host:5432/database, several "
                "hosts as host1:5432,host2:5432, and special characters of the password as %XX"
            ) from None
        session = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
        # The last one of two counts: what the URL says of the session stands, too.
        given["options"] = f"{session} {given.get('options') or ''}".strip()
        self.parameters: dict[str, Any] = {**_CONNECTION, **given}

    def open(self, readers: int) -> tuple[Engine, Engine]:
        """Return the engines of the readers and of the writer."""
        return self._engine(readers, isolation_level="AUTOCOMMIT"), self._engine(1)

    def _engine(self, connections: int, **options: Any) -> Engine:
        engine = create_engine(
            "postgresql+psycopg://",
            creator=partial(psycopg.connect, **self.parameters),
            poolclass=QueuePool,
            pool_size=connections,
            max_overflow=0,
            pool_pre_ping=True,
            hide_parameters=True,  # an error's text would carry the documents, and in them whole URLs
            **options,
        )
        event.listen(engine, "handle_error", _leave_a_standby)
        return engine

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Do nothing: `prepare` holds off others wherever they run."""
        return contextlib.nullcontext()

    def prepare(self, connection: Connection) -> None:
        """Wait until nobody else changes the schema, and hold them off until the transaction ends."""
        for setting in ("statement_timeout", "lock_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {setting} = '{MIGRATING}'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")

    def check(self, connection: Connection) -> None:
        """Raise SetupError where a table may not be read or written."""
        missing = connection.execute(_MISSING_RIGHTS, {"tables": [table.name for table in metadata.sorted_tables]})
        if lacking := list(missing.scalars()):
            raise SetupError(
                f"the user of {variable('store_url')} lacks rights ({lacking[0]}, and {len(lacking) - 1} more): "
                "GRANT SELECT, INSERT, UPDATE, DELETE on all its tables, or let that user own them"
            )

    def availability(self) -> Availability:
        """Return its bounds."""
        return Availability(within=WITHIN, pause=PAUSE)

    def notices(self) -> Notices:
        """Return what tells them by NOTIFY."""
        return PostgresqlNotices(self.parameters)

    def examine(self) -> Engine:
        """Return an engine whose every query sees the same moment, and that cannot write."""
        return self._engine(1, execution_options={"postgresql_readonly": True})

    def wrong(self, engine: Engine, within: float) -> str | None:
        """Return nothing: PostgreSQL checks its pages as they are read, where its cluster has checksums."""
        return None

    def refusal(self, error: BaseException) -> str:
        """Return why it could not be opened, and what to do."""
        begin = f"the store at {variable('store_url')} cannot be opened: "
        failure = cause(error)
        if failure is None:
            return f"{begin}{error}"
        reason = str(failure.orig).partition("\n")[0]  # libpq names host, port, user and database, never the password
        if getattr(failure.orig, "sqlstate", None) == psycopg.errors.InsufficientPrivilege.sqlstate:
            return f"{begin}{reason}; run `streamzip migrate` as a user that may make tables, or GRANT that right"
        return f"{begin}{reason}"


def _leave_a_standby(context: ExceptionContext) -> None:
    """Drop the connections to a server that has become read-only: another one is the primary now."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
