"""Writes that say what they did, on either database."""

import pytest
from sqlalchemy import Engine, Table, create_engine, delete, insert, select, update
from sqlalchemy.dialects import postgresql

from streamzip.store.statements import InsertAbsent, changed, put
from streamzip.store.tables import archives, deliveries, documents, gone_receivers, hooks, jobs, metadata, plans


@pytest.fixture
def engine() -> Engine:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    return engine


def test_insert_absent_says_whether_the_row_is_new(engine: Engine) -> None:
    """By what the database gives back, not by a count that some drivers do not know."""
    add = InsertAbsent(hooks)
    with engine.begin() as connection:
        assert add(connection, {"hash": "a", "url": "https://hooks.example/"})
        assert not add(connection, {"hash": "a", "url": "https://hooks.example/"})
        assert add(connection, {"hash": "b", "url": "https://hooks.example/"})
    engine.dispose()


def test_put_writes_the_row_whether_it_is_there_or_not(engine: Engine) -> None:
    """The newest values stand, also those of a JSON column."""
    with engine.begin() as connection:
        for errors in ([{"index": 1}], []):
            put(connection, plans, {"hash": "a"}, {"errors": errors})
            assert connection.execute(select(plans.c.hash, plans.c.errors)).all() == [("a", errors)]
    engine.dispose()


def test_changed_counts_rows_and_refuses_a_driver_that_does_not(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count of -1 compared with 0 once told every one of fifty creates that it was the first."""
    with engine.begin() as connection:
        connection.execute(insert(gone_receivers), [{"url": "a"}, {"url": "b"}])
        assert changed(connection, update(gone_receivers).where(gone_receivers.c.url == "a").values(url="c")) == 1
        assert changed(connection, delete(gone_receivers)) == 2
        assert changed(connection, delete(gone_receivers)) == 0
        monkeypatch.setattr("sqlalchemy.engine.cursor.CursorResult.rowcount", -1)
        with pytest.raises(RuntimeError):
            changed(connection, delete(gone_receivers))
    engine.dispose()


@pytest.mark.parametrize("table", [archives, documents, jobs, hooks, deliveries], ids=lambda table: table.name)
def test_insert_absent_compiles_for_postgresql(table: Table) -> None:
    """The same insert in PostgreSQL's words; no key is named, so that none of several can be violated."""
    statement = InsertAbsent(table).statement("postgresql")
    assert "ON CONFLICT DO NOTHING RETURNING" in str(statement.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
