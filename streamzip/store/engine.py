"""How the database is opened: the one place that knows which database it is.

Two engines on one file. Readers: a few connections in autocommit, so that every query sees the newest commit and none
holds a snapshot open. Writer: one connection whose transactions take the write lock at once (BEGIN IMMEDIATE): one that
began as a reader would fail with SQLITE_BUSY_SNAPSHOT at its first write, which no busy timeout waits out.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

READERS = 4  # a thread each; a large manifest being read does not hold up the small queries

_PRAGMAS = (
    "PRAGMA busy_timeout = 10000",  # ms; the first of them, because switching to WAL takes a lock too
    "PRAGMA auto_vacuum = FULL",  # a deleted manifest gives its disk back; counts only before the first table
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # in WAL, NORMAL would not fsync the commit: an acknowledged create could be lost
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 16777216",  # one huge manifest must not leave a huge journal behind
)


def open_engines(path: Path) -> tuple[Engine, Engine]:
    """(readers, writer) on the SQLite file `path`, which is created for its owner alone where it is missing."""
    # Presigned URLs are credentials. SQLite gives the journal files the mode that it finds on the database.
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    readers = _engine(path, READERS, (*_PRAGMAS, "PRAGMA query_only = ON"))
    writer = _engine(path, 1, _PRAGMAS)
    event.listen(writer, "begin", _take_write_lock)
    return readers, writer


@contextlib.asynccontextmanager
async def alone(path: Path) -> AsyncIterator[None]:
    """Hold off others that open the store at `path`, in this process or another: each takes some milliseconds, once."""
    lock = os.open(path.with_name(f"{path.name}.opening"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.005)
        yield
    finally:
        os.close(lock)


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
