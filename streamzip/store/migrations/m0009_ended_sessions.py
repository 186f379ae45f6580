"""Sessions of the pages that were ended before their time."""

from sqlalchemy import Column, Connection, Double, MetaData, Table, Text


def apply(connection: Connection) -> None:
    """Create the table; no session has been ended yet."""
    metadata = MetaData()
    Table(
        "ended_sessions",
        metadata,
        Column("digest", Text, primary_key=True),
        Column("expires_at", Double, nullable=False),
    )
    metadata.create_all(connection)
