"""Why queued work waits, and whose slots it takes."""

from sqlalchemy import Column, Connection, Integer, Text, text
from sqlalchemy.schema import CreateColumn


def apply(connection: Connection) -> None:
    """Add the columns; what is there already says nothing in them."""
    for table, column in (
        ("archives", Column("origin", Text)),
        ("jobs", Column("reason", Text)),
        ("jobs", Column("waits", Integer, nullable=False, server_default=text("0"))),
        ("webpages", Column("origin", Text)),
        ("webpages", Column("reason", Text)),
        ("webpages", Column("waits", Integer, nullable=False, server_default=text("0"))),
    ):
        written = CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {written}"))
