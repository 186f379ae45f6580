"""Short-lived names of archives."""

from sqlalchemy import Column, Connection, Double, ForeignKey, Index, MetaData, Table, Text

from streamzip.store.columns import HASH


def apply(connection: Connection) -> None:
    """Create their table."""
    metadata = MetaData()
    Table("archives", metadata, Column("hash", HASH, primary_key=True))
    links = Table(
        "links",
        metadata,
        Column("id", Text, primary_key=True),
        Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), nullable=False),
        Column("expires_at", Double, nullable=False),
        Index("links_expiry", "expires_at"),
        Index("links_hash", "hash"),
    )
    metadata.create_all(connection, tables=[links], checkfirst=False)
