"""Fingerprints of the secrets that a store's gateways sign with, so that one with other secrets is found out."""

from sqlalchemy import Column, Connection, Double, MetaData, Table, Text


def apply(connection: Connection) -> None:
    """Create their table."""
    metadata = MetaData()
    Table(
        "fingerprints",
        metadata,
        Column("purpose", Text, primary_key=True),
        Column("key_id", Text, primary_key=True),
        Column("fingerprint", Text, nullable=False),
        Column("noted_at", Double, nullable=False),
    )
    metadata.create_all(connection, checkfirst=False)
