"""Web pages whose images are wanted, and what became of them."""

from sqlalchemy import Column, Connection, Double, ForeignKey, Index, Integer, MetaData, Table, Text

from streamzip.store.columns import HASH


def apply(connection: Connection) -> None:
    """Create their table."""
    metadata = MetaData()
    Table("archives", metadata, Column("hash", HASH, primary_key=True))
    pages = Table(
        "webpages",
        metadata,
        Column("id", Text, primary_key=True),
        Column("url", Text, nullable=False),
        Column("base", Text),
        Column("owner", Text),
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("not_before", Double, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("hash", ForeignKey("archives.hash", ondelete="CASCADE")),
        Column("code", Text),
        Column("detail", Text),
        Index("webpages_due", "state", "not_before"),
        Index("webpages_hash", "hash"),
    )
    metadata.create_all(connection, tables=[pages], checkfirst=False)
