"""Writes that must say what they did, in the words of each database: nowhere else are rows counted.

A count is -1 where a driver does not know it, as psycopg after INSERT … SELECT: what was inserted is told by RETURNING.
"""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Delete, Table, Update


class InsertAbsent:
    """Insert a row into `table` unless one with the same key is there; the statement is made once."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._statements: dict[str, Any] = {}  # by the database's name

    def statement(self, database: str) -> Any:
        """Return it in the words of that database. No key is named: of several none can be violated."""
        if database not in self._statements:
            absent = _insert(database, self._table).on_conflict_do_nothing()
            self._statements[database] = absent.returning(next(iter(self._table.primary_key)))
        return self._statements[database]

    def __call__(self, connection: Connection, row: Mapping[str, Any]) -> bool:
        """Insert the row, given by column name; False where one was there, of this transaction or a committed one.

        Where another transaction is inserting the same key, its end is waited for.
        """
        return connection.execute(self.statement(connection.dialect.name), row).first() is not None


def put(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    first: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write the row `key`, whether it is there or not. `first`: what else is in one that was not."""
    insert = _insert(connection.dialect.name, table).values({**first, **key, **values})
    connection.execute(insert.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def changed(
    connection: Connection, statement: Update | Delete, values: Mapping[str, Any] = MappingProxyType({})
) -> int:
    """Execute the statement, with the values of its parameters, and return how many rows it changed."""
    count: int = connection.execute(statement, dict(values)).rowcount
    if count < 0:
        raise RuntimeError("the database's driver does not count the rows of an UPDATE or DELETE")
    return count


def _insert(database: str, table: Table) -> Any:
    """Return the database's own INSERT; SQLAlchemy's part for it is loaded where it is used."""
    return import_module(f"sqlalchemy.dialects.{database}").insert(table)
