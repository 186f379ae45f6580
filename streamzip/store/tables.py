"""The schema, in SQLAlchemy Core: what the queries are written against, on SQLite and on PostgreSQL.

The migrations build it step by step and keep their own frozen copies; a test holds the two equal.
What changes often is kept away from what is large: SQLite rewrites a whole row where one of its columns grows, and an
archive's documents may be a hundred megabytes.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from streamzip.store.columns import HASH, ROW_ID

metadata = MetaData()

archives = Table(
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
    Column("owner", Text),
    Column("base", Text),  # of older versions; not read
    Column("expires_at", Double),
    Column("stored", BigInteger, nullable=False, server_default=text("0")),
    Column("lapses", Boolean, nullable=False, server_default=false()),
    Column("origin", Text),
    Column("rounds", Integer, nullable=False, server_default=text("0")),
    Column("released_by", Text),
    UniqueConstraint("manifest_key", "generation"),
    Index("archives_owner", "owner", "created_at", "hash"),
    Index("archives_expiry", "expires_at"),
)

documents = Table(
    "documents",
    metadata,
    Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

plans = Table(
    "plans",
    metadata,
    Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
    Column("errors", JSON, nullable=False),
    Column("warnings", JSON),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("reason", Text),
    Column("waits", Integer, nullable=False, server_default=text("0")),
    Column("claims", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("kind", "hash"),
    Index("jobs_due", "state", "not_before"),
    Index("jobs_hash", "hash"),  # what the cascade from `archives` looks up
    sqlite_autoincrement=True,  # an id is never used twice: the end of a cancelled job cannot end its successor
)

# On PostgreSQL the keys of URLs hold their digests (m0006): its B-trees take none of full length.
hooks = Table(
    "hooks",
    metadata,
    Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
    Column("url", Text, primary_key=True),
)

# Without a foreign key: an event that happened is delivered, also where its archive has expired meanwhile.
deliveries = Table(
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
    Column("owner", Text),
    Column("claims", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("hash", "type", "url"),
    Index("deliveries_due", "state", "not_before"),
    Index("deliveries_url", "url"),
)

gone_receivers = Table("gone_receivers", metadata, Column("url", Text, primary_key=True))

webpages = Table(
    "webpages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("base", Text),  # of older versions; not read
    Column("owner", Text),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("not_before", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("hash", ForeignKey("archives.hash", ondelete="CASCADE")),
    Column("code", Text),
    Column("detail", Text),
    Column("origin", Text),
    Column("reason", Text),
    Column("waits", Integer, nullable=False, server_default=text("0")),
    Column("claims", Integer, nullable=False, server_default=text("0")),
    Index("webpages_due", "state", "not_before"),
    Index("webpages_hash", "hash"),  # what the cascade from `archives` looks up
)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("expires_at", Double, nullable=False),
)

# Short-lived names of archives, given out by the gateway's stand-ins for others.
links = Table(
    "links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("links_expiry", "expires_at"),
    Index("links_hash", "hash"),  # what the cascade from `archives` looks up
)

# Finished copies in the bucket: begun, and once they can be read, shared.
objects = Table(
    "objects",
    metadata,
    Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, nullable=False),
    Column("begun_at", Double, nullable=False),
    Column("shared_at", Double),
)

# Uploaded files in the bucket, by the keys of their objects; those without a `place`, what stands for a name, are not
# whole there yet.
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

# The archives that were made of them.
upload_needs = Table(
    "upload_needs",
    metadata,
    Column("upload", ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", ForeignKey("archives.hash", ondelete="CASCADE"), primary_key=True),
    Index("upload_needs_hash", "hash"),  # what the cascade from `archives` looks up
)

# Of the secrets that gateways of this store sign with: never the secrets. Also the store's own name, and the public URL
# of the gateway that started last.
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("purpose", Text, primary_key=True),
    Column("key_id", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("noted_at", Double, nullable=False),
)

# The gateways of a store that several share, by the id in the data folder of each. `place`: where that folder is.
nodes = Table(
    "nodes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("seen_at", Double, nullable=False),
)

# What each of them has of an archive, as far as it said so.
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

# Checksums of parts that one of them has pulled, until the archive is completed.
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
