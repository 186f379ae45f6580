"""What is odd about entries that are in an archive, beside those that were left out."""

from sqlalchemy import JSON, Column, Connection, text
from sqlalchemy.schema import CreateColumn


def apply(connection: Connection) -> None:
    """Add the column: nothing was said of older archives."""
    written = CreateColumn(Column("warnings", JSON)).compile(dialect=connection.dialect)
    connection.execute(text(f"ALTER TABLE plans ADD COLUMN {written}"))
