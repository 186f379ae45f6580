"""Names of archives that are good for a while: whoever has one may have the archive."""

from sqlalchemy import Connection, delete, insert, select

from streamzip.store.reading import Reads
from streamzip.store.tables import links
from streamzip.store.writer import Writer


class Links:
    """The links by their ids. Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, reads: Reads, writer: Writer) -> None:
        self._reads = reads
        self._writer = writer

    async def add(self, id: str, archive_hash: str, *, now: float, expires_at: float) -> None:
        """Keep a new one, and drop those that have expired (epoch seconds). Raises NotFound: the archive is gone."""

        def change(connection: Connection) -> None:
            connection.execute(delete(links).where(links.c.expires_at <= now))
            connection.execute(insert(links).values(id=id, hash=archive_hash, expires_at=expires_at))

        await self._writer.apply(change)

    async def archive(self, id: str, *, now: float) -> str | None:
        """Return the archive's hash; None for an id that is not known, or has expired."""
        rows = await self._reads.rows(select(links.c.hash).where(links.c.id == id, links.c.expires_at > now))
        return str(rows[0].hash) if rows else None
