"""SQLite: a file in the data folder, and nothing else to install.

Two engines on one file. Readers: a few connections in autocommit, so that every query sees the newest commit and none
holds a snapshot open. Writer: one connection whose transactions take the write lock at once (BEGIN IMMEDIATE): one that
began as a reader would fail with SQLITE_BUSY_SNAPSHOT at its first write, which no busy timeout waits out.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from streamzip.errors import NotReady
from streamzip.files.locks import try_flock, when_free
from streamzip.store.availability import Availability
from streamzip.store.notices import NoNotices, Notices

_PRAGMAS = (
    "PRAGMA busy_timeout = 10000",  # ms; the first of them, because switching to WAL takes a lock too
    "PRAGMA auto_vacuum = FULL",  # a deleted manifest gives its disk back; counts only before the first table
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # in WAL, NORMAL would not fsync the commit: an acknowledged create could be lost
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 16777216",  # one huge manifest must not leave a huge journal behind
)

_STEPS_BETWEEN_LOOKS: Final = 10_000  # instructions of SQLite's machine, a millisecond or so


_SETTLED: Final = 1_000_000_000  # ns


class _Presence(Availability):
    """Whether the file that was opened still is the one of its name. One that was removed takes all that is written to
    it along as the process ends: nothing of that may be acknowledged.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._opened = self._found()

    def _found(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    def check(self) -> None:
        """See Availability."""
        super().check()
        if self._found() != self._opened:
            raise NotReady(
                "the store's database was removed or replaced while the gateway runs", code="store_unavailable"
            )

    def version(self) -> object | None:
        """See Availability: when the files were last written. A clock's tick may hold two commits, so that what was
        written just now tells nothing yet.
        """
        found = []
        for path in (self._path, self._path.with_name(f"{self._path.name}-wal")):
            try:
                stat = path.stat()
            except OSError:
                return None
            if stat.st_mtime_ns > time.time_ns() - _SETTLED:
                return None
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return tuple(found)

    def confirm(self) -> None:
        """See Availability."""
        self.check()


class Sqlite:
    """The SQLite file `path`, which is created for its owner alone where it is missing."""

    now = None  # the server is this machine

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, readers: int) -> tuple[Engine, Engine]:
        """Return the engines of the readers and of the writer. Raises the file system's OSError."""
        # Presigned URLs are credentials. SQLite gives the journal files the mode that it finds on the database.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        reading = _engine(self._path, readers, (*_PRAGMAS, "PRAGMA query_only = ON"))
        writer = _engine(self._path, 1, _PRAGMAS)
        event.listen(writer, "begin", _take_write_lock)
        return reading, writer

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold off others that open it, in this process or another: each takes some milliseconds, once.

        SQLite's busy timeout does not cover the switch to WAL: of those that open a new store, one makes it.
        """
        lock = os.open(self._path.with_name(f"{self._path.name}.opening"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            await when_free(partial(try_flock, lock), every=0.005)
            yield
        finally:
            os.close(lock)

    def prepare(self, connection: Connection) -> None:
        """Do nothing: the transaction began with the write lock."""

    def check(self, connection: Connection) -> None:
        """Do nothing: who can open the file for writing may do all with it."""

    def availability(self) -> Availability:
        """Return no bounds but SQLite's own: it is here, or locked for as long as its busy timeout."""
        return _Presence(self._path)

    def notices(self) -> Notices:
        """Return what tells nobody: what of the copies changed is seen beside them, in the same data folder."""
        return NoNotices()

    def examine(self) -> Engine:
        """Return an engine on the file, opened read only. Raises FileNotFoundError."""
        if not self._path.exists():
            raise FileNotFoundError(self._path)

        def connect() -> sqlite3.Connection:
            return sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True, timeout=10.0)

        return create_engine("sqlite://", creator=connect, poolclass=StaticPool, hide_parameters=True)

    def wrong(self, engine: Engine, within: float) -> str | None:
        """Return what SQLite finds wrong with the file."""
        deadline = time.monotonic() + within
        try:
            with engine.connect() as connection:
                database: Any = connection.connection.driver_connection
                database.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
                found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(3)")]
        except DBAPIError as error:
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                return None
            return str(error.orig)
        return None if found == ["ok"] else "; ".join(found)

    def refusal(self, error: BaseException) -> str:
        """Return why it could not be opened."""
        return f"the store in {self._path.parent} cannot be opened: {error}"


def _engine(path: Path, connections: int, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        # Python's sqlite3 would begin transactions by its own rules; with None it leaves that to us. A connection is
        # used by one thread at a time, and by any of its pool's.
        connect_args={"isolation_level": None, "check_same_thread": False},
        hide_parameters=True,  # an error's text would carry the documents, and in them whole URLs
    )

    def connected(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    event.listen(engine, "connect", connected)
    return engine


def _take_write_lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
