"""How often a piece of queued work was taken up: whoever did so earlier can change nothing of it any more."""

from sqlalchemy import Column, Connection, Integer, text
from sqlalchemy.schema import CreateColumn


def apply(connection: Connection) -> None:
    """Add the column to every queue."""
    for table in ("jobs", "deliveries", "webpages"):
        column = Column("claims", Integer, nullable=False, server_default=text("0"))
        written = CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {written}"))
