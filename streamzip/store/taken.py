"""What an archive takes of the store, for the budgets: its list, and all that others make it grow by.

Not its checksums: they are a few bytes for each entry, of which the list has more.
"""

from sqlalchemy import Connection, Text, cast, func, select, update

from streamzip.store.tables import archives, documents, plans


def add(connection: Connection, hash: str, size: int) -> None:
    """Count `size` bytes more, or fewer, of the archive."""
    if size:
        grown = update(archives).where(archives.c.hash == hash).values(stored=archives.c.stored + size)
        connection.execute(grown)


def document_size(connection: Connection, hash: str, kind: str) -> int:
    """Return how long a document of the archive is; 0 where there is none."""
    size = select(func.length(documents.c.body)).where(documents.c.hash == hash, documents.c.kind == kind)
    return connection.execute(size).scalar() or 0


def plan_size(connection: Connection, hash: str) -> int:
    """Return how long it is what was said of entries that cannot be had; 0 where nothing was."""
    size = select(func.length(cast(plans.c.errors, Text))).where(plans.c.hash == hash)
    return connection.execute(size).scalar() or 0
