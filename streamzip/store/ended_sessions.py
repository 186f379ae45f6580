"""Sessions that a person ended: noted for as long as they would have been good, so that no copy of a cookie is."""

import hashlib

from sqlalchemy import Connection, delete, select

from streamzip.store.reading import Reads
from streamzip.store.statements import put
from streamzip.store.tables import ended_sessions
from streamzip.store.writer import Writer


class EndedSessions:
    """By their digests: what is stored opens nothing. Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, reads: Reads, writer: Writer) -> None:
        self._reads = reads
        self._writer = writer

    async def end(self, session: str, *, expires_at: float, now: float) -> None:
        """Note that the session is over, and forget those whose time is (epoch s)."""

        def change(connection: Connection) -> None:
            put(connection, ended_sessions, {"digest": _digest(session)}, {"expires_at": expires_at})
            connection.execute(delete(ended_sessions).where(ended_sessions.c.expires_at <= now))

        await self._writer.apply(change)

    async def is_over(self, session: str) -> bool:
        """Return whether somebody ended the session."""
        query = select(ended_sessions.c.digest).where(ended_sessions.c.digest == _digest(session))
        return bool(await self._reads.rows(query))


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()
