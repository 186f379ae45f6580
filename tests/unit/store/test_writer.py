"""The writer: one fsync for many, an answer only after it, and a failure that stays with its cause."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from streamzip.errors import NotFound, NotReady
from streamzip.store.availability import Availability
from streamzip.store.dialects.sqlite import Sqlite
from streamzip.store.migrations import migrate
from streamzip.store.tables import documents, gone_receivers
from streamzip.store.writer import AGAIN_AFTER, Change, Writer


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    readers, engine = Sqlite(tmp_path / "db").open(1)
    with engine.begin() as connection:
        migrate(connection)
        connection.execute(text("CREATE TABLE notes (body BLOB)"))
    yield engine
    readers.dispose()
    engine.dispose()


@pytest.fixture
async def writer(engine: Engine) -> AsyncIterator[Writer]:
    writer = Writer(engine, Availability())
    yield writer
    await writer.close()


def note(size: int = 10) -> Change[int]:
    def change(connection: Connection) -> int:
        connection.execute(text("INSERT INTO notes VALUES (zeroblob(:size))"), {"size": size})
        return size

    return change


def wrong(connection: Connection) -> None:
    connection.execute(text("INSERT INTO notes VALUES (1)"))
    raise LookupError("this one")


def notes(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        count: int = connection.execute("SELECT count(*) FROM notes").fetchone()[0]
    connection.close()
    return count


async def test_apply_shares_one_transaction_when_many_write_at_once(engine: Engine, writer: Writer) -> None:
    """Fifty changes that arrive together cost one commit, not fifty."""
    commits: list[object] = []
    event.listen(engine, "commit", commits.append)
    assert await asyncio.gather(*(writer.apply(note(number)) for number in range(50))) == list(range(50))
    assert len(commits) == 1


async def test_apply_answers_after_the_commit_when_a_change_was_made(writer: Writer, tmp_path: Path) -> None:
    """Another process sees the change by the time the caller is told of it."""
    await writer.apply(note())
    assert notes(tmp_path / "db") == 1


async def test_apply_fails_one_change_when_those_beside_it_are_good(writer: Writer, tmp_path: Path) -> None:
    """A change that raises leaves nothing behind and takes none of its batch with it."""
    results = await asyncio.gather(
        writer.apply(note(1)), writer.apply(wrong), writer.apply(note(2)), return_exceptions=True
    )
    assert [type(result) for result in results] == [int, LookupError, int]
    assert notes(tmp_path / "db") == 2


async def test_apply_says_not_found_for_a_missing_archive_alone(writer: Writer) -> None:
    """A key that is there twice is a mistake of the code, and must not look like an archive that was deleted."""
    document = {"hash": "x", "kind": "manifest", "key_id": "k", "signature": "s", "body": b""}
    with pytest.raises(NotFound):
        await writer.apply(lambda connection: connection.execute(insert(documents), document))
    twice = [{"url": "https://hooks.example/"}] * 2
    with pytest.raises(IntegrityError):
        await writer.apply(lambda connection: connection.execute(insert(gone_receivers), twice))


class Passing(Exception):
    """As PostgreSQL's driver raises it."""

    sqlstate = "40P01"  # deadlock_detected


@pytest.mark.parametrize("times", range(len(AGAIN_AFTER) + 2))
async def test_apply_tries_again_when_another_transaction_was_in_the_way(writer: Writer, times: int) -> None:
    """A deadlock's loser goes through after all, unless it loses again and again: then it may come later."""
    tried = 0

    def change(connection: Connection) -> int:
        nonlocal tried
        tried += 1
        if tried <= times:
            raise DBAPIError("UPDATE", {}, Passing())
        return note()(connection)

    if times > len(AGAIN_AFTER):
        with pytest.raises(NotReady):
            await writer.apply(change)
    else:
        assert await writer.apply(change) == 10
    assert tried == min(times, len(AGAIN_AFTER)) + 1


async def test_apply_says_not_ready_when_the_disk_is_full(writer: Writer, tmp_path: Path) -> None:
    """A change that does not fit is refused as temporary, a smaller one beside it is kept, and later ones too."""

    def fill_up(connection: Connection) -> None:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))

    await writer.apply(fill_up)
    results = await asyncio.gather(writer.apply(note()), writer.apply(note(1 << 20)), return_exceptions=True)
    assert results[0] == 10
    assert isinstance(results[1], NotReady)
    assert results[1].code == "store_unavailable"
    await writer.apply(note())
    assert notes(tmp_path / "db") == 2


async def test_apply_says_not_ready_when_another_process_holds_the_lock(writer: Writer, tmp_path: Path) -> None:
    """Past the busy timeout every caller of the batch is told to come again, and the next batch goes through."""

    def impatient(connection: Connection) -> None:
        connection.execute(text("PRAGMA busy_timeout = 0"))

    await writer.apply(impatient)
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(writer.apply(note()), writer.apply(note()), return_exceptions=True)
    assert [type(result) for result in results] == [NotReady, NotReady]
    other.execute("COMMIT")
    other.close()
    assert await writer.apply(note()) == 10


async def test_close_finishes_what_was_accepted_when_changes_wait(engine: Engine, tmp_path: Path) -> None:
    """Changes handed in before the end are made durable; those after it are refused."""
    writer = Writer(engine, Availability())
    accepted = [asyncio.ensure_future(writer.apply(note())) for _ in range(20)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*accepted) == [10] * 20
    assert notes(tmp_path / "db") == 20
    with pytest.raises(NotReady):
        await writer.apply(note())


async def test_connections_fsync_every_commit_and_hold_foreign_keys_when_opened(tmp_path: Path) -> None:
    """The pragmas that durability and cascades rest on are in force on the writer; readers cannot write."""
    readers, engine = Sqlite(tmp_path / "db").open(1)
    with engine.connect() as connection:
        values = [
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert values == ["wal", 2, 1, 10_000]
    with readers.connect() as connection, pytest.raises(DBAPIError, match="readonly"):
        connection.execute(text("CREATE TABLE x (y)"))
    readers.dispose()
    engine.dispose()


async def test_database_errors_show_no_values_when_they_are_printed(engine: Engine) -> None:
    """A failed statement's text, which may reach a log, holds none of its parameters."""
    row = {"hash": "x", "kind": "manifest", "key_id": "k", "signature": "s", "body": b"https://h/?token=hunter2"}
    with pytest.raises(DBAPIError) as caught, engine.begin() as connection:
        connection.execute(insert(documents), row)
    assert "hunter2" not in str(caught.value)
