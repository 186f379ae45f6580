"""Whose archive a delivery tells of; what an archive takes of the store, and whether it ends where nobody reads it."""

from sqlalchemy import BigInteger, Boolean, Column, Connection, Text, false, text
from sqlalchemy.schema import CreateColumn


def apply(connection: Connection) -> None:
    """Add the columns, and fill those that tell of what is there already."""
    for table, column in (
        ("deliveries", Column("owner", Text)),
        ("archives", Column("stored", BigInteger, nullable=False, server_default=text("0"))),
        ("archives", Column("lapses", Boolean, nullable=False, server_default=false())),
    ):
        written = CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {written}"))
    connection.execute(
        text("UPDATE deliveries SET owner = (SELECT owner FROM archives WHERE archives.hash = deliveries.hash)")
    )
    connection.execute(
        text(
            "UPDATE archives SET stored = COALESCE((SELECT length(body) FROM documents "
            "WHERE documents.hash = archives.hash AND documents.kind = 'manifest'), 0)"
        )
    )
