"""Keys of URLs that PostgreSQL takes: its B-trees hold no value of more than 2,704 bytes, and a URL may have 8,192."""

from sqlalchemy import Connection

_STATEMENTS = (
    "ALTER TABLE hooks DROP CONSTRAINT hooks_pkey",
    "CREATE UNIQUE INDEX hooks_key ON hooks (hash, md5(url))",
    "ALTER TABLE deliveries DROP CONSTRAINT deliveries_hash_type_url_key",
    "CREATE UNIQUE INDEX deliveries_key ON deliveries (hash, type, md5(url))",
    "DROP INDEX deliveries_url",
    "CREATE INDEX deliveries_url ON deliveries USING hash (url)",
    "ALTER TABLE gone_receivers DROP CONSTRAINT gone_receivers_pkey",
    "CREATE UNIQUE INDEX gone_receivers_key ON gone_receivers (md5(url))",
    "CREATE INDEX gone_receivers_url ON gone_receivers USING hash (url)",
)


def apply(connection: Connection) -> None:
    """Put the URLs' digests into the unique keys on PostgreSQL; SQLite has no such limit, and is left as it is.

    Who asks by a URL is answered by a hash index. That two URLs have one MD5 is out of reach: they are stored
    encrypted, under a key that nobody who names a URL knows.
    """
    if connection.dialect.name == "postgresql":
        for statement in _STATEMENTS:
            connection.exec_driver_sql(statement)
