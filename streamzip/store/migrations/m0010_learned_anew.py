"""How often an archive's origins were asked anew, because what they had said did not hold."""

from sqlalchemy import Column, Connection, Integer, text
from sqlalchemy.schema import CreateColumn


def apply(connection: Connection) -> None:
    """Add the column: of what is there, nothing was asked anew."""
    column = Column("rounds", Integer, nullable=False, server_default=text("0"))
    written = CreateColumn(column).compile(dialect=connection.dialect)
    connection.execute(text(f"ALTER TABLE archives ADD COLUMN {written}"))
