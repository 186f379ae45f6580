"""The steps lead to the schema that the queries are written against, on either database."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from streamzip.store import migrations
from streamzip.store.migrations import SchemaTooNewError, migrate
from streamzip.store.repository import Repository
from streamzip.store.tables import metadata


def schema(engine: Engine) -> dict[str, Any]:
    """Everything the database knows of its tables, but for the migrations' own."""
    inspector = inspect(engine)
    return {
        table: (
            [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
            inspector.get_pk_constraint(table),
            inspector.get_foreign_keys(table),
            sorted(inspector.get_indexes(table), key=str),
            sorted(inspector.get_unique_constraints(table), key=str),
            "AUTOINCREMENT" in str(inspector.get_table_options(table)) or _sql(engine, table).count("AUTOINCREMENT"),
        )
        for table in inspector.get_table_names()
        if table != "schema"
    }


def _sql(engine: Engine, table: str) -> str:
    with engine.connect() as connection:
        query = text("SELECT sql FROM sqlite_master WHERE name = :table")
        return str(connection.execute(query, {"table": table}).scalar_one())


def test_steps_build_what_tables_declare_when_all_are_applied() -> None:
    """The migrations' frozen copies, taken together, are the schema of tables.py, column by column."""
    migrated, declared = create_engine("sqlite://"), create_engine("sqlite://")
    with migrated.begin() as connection:
        assert migrate(connection) == len(migrations.STEPS)
    metadata.create_all(declared)
    assert schema(migrated) == schema(declared)
    tables = {
        "archives",
        "documents",
        "plans",
        "jobs",
        "hooks",
        "deliveries",
        "gone_receivers",
        "webpages",
        "fingerprints",
        "ended_sessions",
        "links",
        "objects",
        "nodes",
        "holdings",
        "facts",
        "uploads",
        "upload_needs",
    }
    assert set(schema(migrated)) == tables
    migrated.dispose()
    declared.dispose()


def test_migrate_applies_only_what_is_missing_when_the_store_is_older(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new step runs once, after those that were applied before."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate(connection)

    def add_a_table(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE later (x)"))

    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, add_a_table))
    with engine.begin() as connection:
        assert migrate(connection) == 1
        assert migrate(connection) == 0
    assert "later" in inspect(engine).get_table_names()
    engine.dispose()


@pytest.mark.parametrize("known", range(1, len(migrations.STEPS)))
async def test_store_of_every_earlier_schema_is_opened_with_what_it_holds(
    known: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its archives, documents and queued builds are there afterwards, in the schema of tables.py."""
    hash, engine = "a" * 32, create_engine(f"sqlite:///{tmp_path / 'db'}")
    with monkeypatch.context() as earlier, engine.begin() as connection:
        earlier.setattr(migrations, "STEPS", migrations.STEPS[:known])
        assert migrate(connection) == known
        for statement in (
            "INSERT INTO archives (hash, manifest_key, generation, filename, entries, prefetch, created_at, released) "
            "VALUES (:hash, :hash, 1, 'a.zip', 2, 1, 10.0, 0)",
            "INSERT INTO documents VALUES (:hash, 'manifest', 'k1', 'signature', x'00')",
            "INSERT INTO jobs (kind, hash, state, attempts, not_before, created_at) "
            "VALUES ('prefetch', :hash, 'queued', 1, 20.0, 10.0)",
        ):
            connection.execute(text(statement), {"hash": hash})
    repository = await Repository.open(tmp_path / "db")
    declared = create_engine("sqlite://")
    metadata.create_all(declared)
    assert schema(engine) == schema(declared)
    archive, job = await repository.get(hash), await repository.jobs.last(hash)
    assert archive is not None
    assert (archive.filename, archive.entries, archive.created_at) == ("a.zip", 2, 10.0)
    assert job is not None
    assert (job.state, job.attempts, job.not_before) == ("queued", 1, 20.0)
    assert (await repository.documents(hash)).manifest is not None
    await repository.close()
    for each in (engine, declared):
        each.dispose()


def test_migrate_refuses_when_the_store_is_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An older streamzip does not touch tables that it does not know."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        migrate(connection)
    monkeypatch.setattr(migrations, "STEPS", ())
    with engine.begin() as connection, pytest.raises(SchemaTooNewError, match=r"has schema \d+ .* knows 0"):
        migrate(connection)
    engine.dispose()


async def test_open_succeeds_for_all_when_several_open_a_new_store_at_once(tmp_path: Path) -> None:
    """The write lock lets one migrate; the others find the work done."""
    opened = await asyncio.gather(*(Repository.open(tmp_path / "db") for _ in range(4)))
    for repository in opened:
        await repository.overview.ping()
        await repository.close()


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_tables_compile_when_the_database_is_postgresql(table: Any) -> None:
    """The one schema is also PostgreSQL's."""
    assert f"CREATE TABLE {table.name}" in str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
