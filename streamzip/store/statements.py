"""Writes that must say what they did, in the words of each database: nowhere else are rows counted.

A count is -1 where a driver does not know it, as psycopg after INSERT … SELECT: what was inserted is told by RETURNING.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, Delete, Table, Update
from sqlalchemy.dialects import postgresql, sqlite

_INSERTS: Final[Mapping[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class InsertAbsent:
    """Insert a row into `table` unless one with the same key is there; each database's statement is made once."""

    def __init__(self, table: Table) -> None:
        key = next(iter(table.primary_key))
        self._statements = {
            name: insert(table).on_conflict_do_nothing().returning(key) for name, insert in _INSERTS.items()
        }

    def __call__(self, connection: Connection, row: Mapping[str, Any]) -> bool:
        """Insert the row, given by column name; False where one was there, of this transaction or a committed one.

        Where another transaction is inserting the same key, its end is waited for.
        """
        return connection.execute(self._statements[connection.dialect.name], row).first() is not None


def put(connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write the row `key`, whether it is there or not."""
    insert = _INSERTS[connection.dialect.name](table).values(**key, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def changed(connection: Connection, statement: Update | Delete) -> int:
    """Execute the statement and return how many rows it changed."""
    count: int = connection.execute(statement).rowcount
    if count < 0:
        raise RuntimeError("the database's driver does not count the rows of an UPDATE or DELETE")
    return count
