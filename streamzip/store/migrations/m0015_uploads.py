"""Uploaded files in the bucket, and the archives that need them."""

from sqlalchemy import BigInteger, Column, Connection, Double, ForeignKey, Index, LargeBinary, MetaData, Table, Text

from streamzip.store.columns import HASH


def apply(connection: Connection) -> None:
    """Create their tables."""
    metadata = MetaData()
    Table("archives", metadata, Column("hash", HASH, primary_key=True))
    uploads = Table(
        "uploads",
        metadata,
        Column("id", Text, primary_key=True),
        Column("place", Text, unique=True),
        Column("name", Text, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("sha256", Text, nullable=False),
        Column("crc32", BigInteger, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("begun_at", Double, nullable=False),
        Column("key_id", Text),
        Column("signature", Text),
        Column("body", LargeBinary),
    )
    needs = Table(
        "upload_needs",
        metadata,
        Column("upload", ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
        Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
        Index("upload_needs_hash", "hash"),
    )
    metadata.create_all(connection, tables=[uploads, needs], checkfirst=False)
