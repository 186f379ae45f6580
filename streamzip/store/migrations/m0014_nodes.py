"""Several gateways of one store: who they are, what each has of an archive, and what it has learned on the way."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.schema import CreateColumn

from streamzip.store.columns import HASH, ROW_ID


def apply(connection: Connection) -> None:
    """Create their tables. Of what was given out already it is not known who did."""
    written = CreateColumn(Column("released_by", Text)).compile(dialect=connection.dialect)
    connection.execute(text(f"ALTER TABLE archives ADD COLUMN {written}"))
    metadata = MetaData()
    Table("archives", metadata, Column("hash", HASH, primary_key=True))
    nodes = Table(
        "nodes",
        metadata,
        Column("id", Text, primary_key=True),
        Column("name", Text, nullable=False),
        Column("place", Text, nullable=False),
        Column("seen_at", Double, nullable=False),
    )
    holdings = Table(
        "holdings",
        metadata,
        Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
        Column("node", Text, primary_key=True),
        Column("rounds", Integer, nullable=False),
        Column("bytes", BigInteger, nullable=False),
        Column("total", BigInteger),
        Column("entries", Integer, nullable=False),
        Column("active", Boolean, nullable=False),
        Column("read", Boolean, nullable=False),
        Column("cached", Boolean, nullable=False),
        Column("noted_at", Double, nullable=False),
        Index("holdings_node", "node"),
    )
    facts = Table(
        "facts",
        metadata,
        Column("id", ROW_ID, primary_key=True),
        Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), nullable=False),
        Column("rounds", Integer, nullable=False),
        Column("node", Text, nullable=False),
        Column("key_id", Text, nullable=False),
        Column("signature", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Index("facts_hash", "hash", "id"),
        sqlite_autoincrement=True,
    )
    metadata.create_all(connection, tables=[nodes, holdings, facts], checkfirst=False)
