"""Questions about many archives: an owner's, page by page, and those whose time is over."""

from typing import NamedTuple

from sqlalchemy import Connection, case, delete, func, or_, select, tuple_, update

from streamzip.store.nodes import ALIVE, is_read_since
from streamzip.store.notices import Notices
from streamzip.store.oversight import Oversight
from streamzip.store.reading import Reads
from streamzip.store.rows import ArchiveRow
from streamzip.store.statements import changed
from streamzip.store.tables import archives, webpages
from streamzip.store.writer import Writer


class Usage(NamedTuple):
    """What archives take of the store: how many they are, and the bytes of their lists."""

    archives: int
    bytes: int


_TAKEN = select(archives.c.owner, func.count().label("archives"), func.sum(archives.c.stored).label("bytes")).group_by(
    archives.c.owner
)
# One that is read already has an archive, which counts.
_PAGES_TAKEN = select(
    webpages.c.owner,
    (func.count() - func.count(webpages.c.hash)).label("archives"),
    func.sum(func.length(webpages.c.url)).label("bytes"),
).group_by(webpages.c.owner)
_COLUMNS = [archives.c[name] for name in ArchiveRow.__dataclass_fields__]


class Catalogue:
    """The archives by owner and by expiry; `oversight`: those of all owners. Every method may raise errors.NotReady and
    errors.Damaged.
    """

    def __init__(self, reads: Reads, writer: Writer, oversight: Oversight, notices: Notices) -> None:
        self.oversight = oversight
        self._reads = reads
        self._writer = writer
        self._notices = notices

    async def page(
        self, owner: str | None, *, now: float, limit: int, before: tuple[float, str] | None = None
    ) -> list[ArchiveRow]:
        """Return an owner's archives that have not expired, the newest first; those after `before`: (created_at,
        hash).
        """
        alive = or_(archives.c.expires_at.is_(None), archives.c.expires_at > now)
        query = select(*_COLUMNS).where(archives.c.owner == owner, alive)
        if before is not None:
            query = query.where(tuple_(archives.c.created_at, archives.c.hash) < tuple_(*before))
        query = query.order_by(archives.c.created_at.desc(), archives.c.hash.desc()).limit(limit)
        return [ArchiveRow(**row._mapping) for row in await self._reads.rows(query)]

    async def usage(self) -> dict[str | None, Usage]:
        """Return what each owner's archives take, and the web pages that may become archives of theirs."""
        usage: dict[str | None, Usage] = {}
        for query in (_TAKEN, _PAGES_TAKEN):
            for row in await self._reads.rows(query):
                before = usage.get(row.owner, Usage(0, 0))
                usage[row.owner] = Usage(before.archives + row.archives, before.bytes + int(row.bytes))
        return usage

    async def states(self) -> dict[str, int]:
        """Return how many archives are `completed`, `failed` and `unfinished`."""
        failed, completed = archives.c.code.is_not(None), archives.c.completed_at.is_not(None)
        column = case((failed, "failed"), (completed, "completed"), else_="unfinished").label("state")
        rows = await self._reads.rows(select(column, func.count().label("archives")).group_by(column))
        return {"completed": 0, "failed": 0, "unfinished": 0} | {row.state: row.archives for row in rows}

    async def keep(self, hash: str) -> None:
        """Let an archive stand that would have ended for want of readers: it has one."""

        def change(connection: Connection) -> None:
            read = update(archives).where(archives.c.hash == hash, archives.c.lapses)
            connection.execute(read.values(expires_at=None, lapses=False))

        await self._writer.apply(change)

    async def extend(
        self, hash: str, expires_at: float | None, *, now: float, unread_until: float | None = None
    ) -> bool:
        """Let it stand until the later of the two times; False where it is expired or gone.

        None: for ever or, where it would end and `unread_until` is given, until then if nobody reads it.
        """

        def change(connection: Connection) -> bool:
            alive = (archives.c.hash == hash) & or_(archives.c.expires_at.is_(None), archives.c.expires_at > now)
            if connection.execute(select(archives.c.hash).where(alive).with_for_update()).first() is None:
                return False
            ends = update(archives).where(alive, archives.c.expires_at.is_not(None))
            if expires_at is None and unread_until is None:
                connection.execute(ends.values(expires_at=None, lapses=False))
                return True
            until = unread_until if expires_at is None else expires_at
            connection.execute(ends.where(archives.c.expires_at < until).values(expires_at=until))
            if expires_at is None:
                connection.execute(ends.values(lapses=True))
            return True

        return await self._writer.apply(change)

    async def expired(self, now: float, *, limit: int) -> list[str]:
        """Archives whose time is over, the longest first."""
        query = select(archives.c.hash).where(archives.c.expires_at <= now)
        return [row.hash for row in await self._reads.rows(query.order_by(archives.c.expires_at).limit(limit))]

    async def delete_expired(self, hash: str, now: float) -> bool:
        """Remove the archive, its documents, plan and jobs, if its time still is over, and no other node's reader is at
        it; False otherwise.
        """

        def change(connection: Connection) -> bool:
            over = delete(archives).where(archives.c.hash == hash, archives.c.expires_at <= now)
            if not changed(connection, over.where(~is_read_since(now - ALIVE))):
                return False
            self._notices.tell(connection, hash)
            return True

        return await self._writer.apply(change)
