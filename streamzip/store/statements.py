"""Two writes that each database spells differently, put together from what all of them understand."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Table, and_, bindparam, exists, insert, select, update


def insert_absent(table: Table, *key: str) -> Insert:
    """INSERT … SELECT … WHERE NOT EXISTS: one row, given by column name, unless its `key` is there; rowcount tells.

    Where two processes insert at once, the later one violates the key and its change is tried again (writer.py).
    """
    columns = [column for column in table.columns if column is not table.autoincrement_column]
    values = select(*(bindparam(column.name, type_=column.type) for column in columns))
    return insert(table).from_select(columns, values.where(~exists().where(_same_key(table, key))))


def put(connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Write the row `key`, whether it is there or not."""
    where = and_(*(table.c[name] == value for name, value in key.items()))
    if connection.execute(update(table).where(where).values(**values)).rowcount == 0:
        connection.execute(insert(table).values(**key, **values))


def _same_key(table: Table, key: tuple[str, ...]) -> ColumnElement[bool]:
    return and_(*(table.c[name] == bindparam(name, type_=table.c[name].type) for name in key))
