"""SQLite's files tell when they were written to, and whether they still are the ones that were opened."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from streamzip.errors import NotReady
from streamzip.store.dialects.sqlite import Sqlite

PAST = time.time() - 60


def settle(path: Path) -> None:
    """Have the files written a minute ago."""
    for file in (path, Path(f"{path}-wal")):
        os.utime(file, (PAST, PAST))


def test_version_is_another_after_each_commit(tmp_path: Path) -> None:
    """None while a commit may still come in the same tick of the clock; then the same until the next one."""
    path = tmp_path / "streamzip.db"
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("CREATE TABLE facts (fact)")
        store.commit()
        presence = Sqlite(path).availability()
        assert presence.version() is None
        settle(path)
        first = presence.version()
        assert first is not None
        assert presence.version() == first
        store.execute("INSERT INTO facts VALUES (1)")
        store.commit()
        assert presence.version() is None
        settle(path)
        assert presence.version() not in (None, first)


def test_a_file_that_was_replaced_is_not_the_one_that_was_opened(tmp_path: Path) -> None:
    """Neither to be read nor written, until it is back."""
    path = tmp_path / "streamzip.db"
    path.write_bytes(b"")
    presence = Sqlite(path).availability()
    presence.check()
    path.rename(tmp_path / "moved")
    for content in (None, b""):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(NotReady, match="removed or replaced"):
            presence.check()
        with pytest.raises(NotReady, match="removed or replaced"):
            presence.confirm()
    (tmp_path / "moved").rename(path)
    presence.check()
