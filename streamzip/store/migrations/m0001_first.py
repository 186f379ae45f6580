"""Archives, their signed documents, plans and jobs."""

from sqlalchemy import (
    JSON,
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
    UniqueConstraint,
)

from streamzip.store.columns import HASH, ROW_ID


def apply(connection: Connection) -> None:
    """Create the first tables."""
    metadata = MetaData()
    Table(
        "archives",
        metadata,
        Column("hash", HASH, primary_key=True),
        Column("manifest_key", HASH, nullable=False),
        Column("generation", Integer, nullable=False),
        Column("filename", Text, nullable=False),
        Column("entries", Integer, nullable=False),
        Column("prefetch", Boolean, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("released", Boolean, nullable=False),
        Column("code", Text),
        Column("completed_at", Double),
        Column("size", BigInteger),
        UniqueConstraint("manifest_key", "generation"),
    )
    Table(
        "documents",
        metadata,
        Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("key_id", Text, nullable=False),
        Column("signature", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "plans",
        metadata,
        Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
        Column("errors", JSON, nullable=False),
    )
    Table(
        "jobs",
        metadata,
        Column("id", ROW_ID, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), nullable=False),
        Column("state", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("not_before", Double, nullable=False),
        Column("created_at", Double, nullable=False),
        UniqueConstraint("kind", "hash"),
        Index("jobs_due", "state", "not_before"),
        Index("jobs_hash", "hash"),
        sqlite_autoincrement=True,
    )
    metadata.create_all(connection, checkfirst=False)
