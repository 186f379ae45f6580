"""Finished copies in the bucket."""

from sqlalchemy import Column, Connection, Double, ForeignKey, MetaData, Table, Text

from streamzip.store.columns import HASH


def apply(connection: Connection) -> None:
    """Create their table."""
    metadata = MetaData()
    Table("archives", metadata, Column("hash", HASH, primary_key=True))
    objects = Table(
        "objects",
        metadata,
        Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
        Column("key", Text, nullable=False),
        Column("begun_at", Double, nullable=False),
        Column("shared_at", Double),
    )
    metadata.create_all(connection, tables=[objects], checkfirst=False)
