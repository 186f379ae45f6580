"""Webhooks and their deliveries; what an archive belongs to, where it was asked for, and until when it stands."""

from typing import Any

from sqlalchemy import (
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
    text,
)
from sqlalchemy.schema import CreateColumn

from streamzip.store.columns import HASH


def apply(connection: Connection) -> None:
    """Add three columns to the archives, and three tables."""
    for column in (Column("owner", Text), Column("base", Text), Column("expires_at", Double)):
        written = CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(text(f"ALTER TABLE archives ADD COLUMN {written}"))
    metadata = MetaData()
    named: dict[str, Any] = {"hash": HASH, "owner": Text, "created_at": Double, "expires_at": Double}
    archives = Table("archives", metadata, *(Column(name, kind) for name, kind in named.items()))
    Index("archives_owner", archives.c.owner, archives.c.created_at, archives.c.hash).create(connection)
    Index("archives_expiry", archives.c.expires_at).create(connection)
    tables = [
        Table(
            "hooks",
            metadata,
            Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
            Column("url", Text, primary_key=True),
        ),
        Table(
            "deliveries",
            metadata,
            Column("id", Text, primary_key=True),
            Column("hash", HASH, nullable=False),
            Column("type", Text, nullable=False),
            Column("url", Text, nullable=False),
            Column("receiver", Text, nullable=False),
            Column("predefined", Boolean, nullable=False),
            Column("body", LargeBinary, nullable=False),
            Column("state", Text, nullable=False),
            Column("attempts", Integer, nullable=False),
            Column("not_before", Double, nullable=False),
            Column("created_at", Double, nullable=False),
            Column("outcome", Text),
            UniqueConstraint("hash", "type", "url"),
            Index("deliveries_due", "state", "not_before"),
            Index("deliveries_url", "url"),
        ),
        Table("gone_receivers", metadata, Column("url", Text, primary_key=True)),
    ]
    metadata.create_all(connection, tables=tables, checkfirst=False)
