"""What an operator asks about everybody's archives and queued work, and how ended work is begun anew."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, Select, cast, func, literal, null, or_, select, tuple_, union_all, update
from sqlalchemy.types import Text

from streamzip.store.jobs import FAILED, OFFLOAD, PREFETCH
from streamzip.store.queues import DELIVERIES, OFFLOADS, PAGES, PREFETCHES, QUEUED
from streamzip.store.reading import Reads
from streamzip.store.rows import ArchiveRow, QueuedRow
from streamzip.store.tables import archives, deliveries, jobs, webpages
from streamzip.store.wakes import Wakes
from streamzip.store.writer import Writer

AT_ONCE: Final = 500  # hashes in one query: SQLite takes a bounded number of parameters

_ARCHIVE = [archives.c[name] for name in ArchiveRow.__dataclass_fields__]
_FRESH: Final = {"state": QUEUED, "attempts": 0}
_OPEN: Final = (QUEUED, FAILED)  # what is to be done, and what was given up
_OFFLOADS_OF: Final = f"{OFFLOAD}@"  # with a node's name behind it: the kind of its offloads
_is_offload = jobs.c.kind.startswith(_OFFLOADS_OF, autoescape=True)


def _rows() -> Any:
    """Return the rows of all queues in one form."""

    def of(queue: Any, name: Any, id: Any, hash: Any, owner: Any, reason: Any, toward: Any) -> Select[Any]:
        row = (queue.c.state, queue.c.attempts, queue.c.not_before, queue.c.created_at)
        named = (name.label("queue"), id.label("id"), hash.label("hash"), owner.label("owner"))
        return select(*named, *row, reason.label("reason"), toward.label("toward")).where(queue.c.state.in_(_OPEN))

    archive = (jobs.c.hash, jobs.c.hash, archives.c.owner, jobs.c.reason)
    builds = of(jobs, literal(PREFETCHES), *archive, archives.c.origin).where(jobs.c.kind == PREFETCH)
    each_nodes = func.replace(jobs.c.kind, _OFFLOADS_OF, f"{OFFLOADS}@")
    offloads = of(jobs, each_nodes, *archive, cast(null(), Text)).where(_is_offload)
    why = func.coalesce(webpages.c.code, webpages.c.reason)
    pages = of(webpages, literal(PAGES), webpages.c.id, cast(null(), Text), webpages.c.owner, why, webpages.c.origin)
    told = (deliveries.c.owner, deliveries.c.outcome, deliveries.c.receiver)
    messages = of(deliveries, literal(DELIVERIES), deliveries.c.id, deliveries.c.hash, *told)
    made = [each.join_from(jobs, archives) for each in (builds, offloads)]
    return union_all(*made, pages, messages).subquery()


_queued = _rows()


class Oversight:
    """Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, reads: Reads, writer: Writer, wakes: Wakes) -> None:
        self._reads = reads
        self._writer = writer
        self._wakes = wakes

    async def page(
        self, *, now: float, limit: int, before: tuple[float, str] | None, owner: str | None = None
    ) -> list[ArchiveRow]:
        """Return archives of all owners that have not expired, or of one, the newest first, from `before` on."""
        query = select(*_ARCHIVE).where(or_(archives.c.expires_at.is_(None), archives.c.expires_at > now))
        if owner is not None:
            query = query.where(archives.c.owner == owner)
        if before is not None:
            query = query.where(tuple_(archives.c.created_at, archives.c.hash) < tuple_(*before))
        query = query.order_by(archives.c.created_at.desc(), archives.c.hash.desc()).limit(limit)
        return [ArchiveRow(**row._mapping) for row in await self._reads.rows(query)]

    async def archives(self, hashes: Collection[str]) -> list[ArchiveRow]:
        """Return those of the archives that there are."""
        every = list(hashes)
        found: list[ArchiveRow] = []
        for start in range(0, len(every), AT_ONCE):
            query = select(*_ARCHIVE).where(archives.c.hash.in_(every[start : start + AT_ONCE]))
            found += [ArchiveRow(**row._mapping) for row in await self._reads.rows(query)]
        return found

    async def queue(self, *, limit: int) -> tuple[int, list[QueuedRow]]:
        """Return how many pieces of work are queued or were given up, and the first of them: what is due first."""
        counted = await self._reads.rows(select(func.count()).select_from(_queued))
        columns = [_queued.c[name] for name in QueuedRow.__dataclass_fields__]
        # What is to be done before what was given up, which is of interest the later it ended.
        given_up = _queued.c.state != QUEUED
        query = select(*columns).order_by(given_up, _queued.c.not_before, _queued.c.queue, _queued.c.id).limit(limit)
        return int(counted[0][0]), [QueuedRow(**row._mapping) for row in await self._reads.rows(query)]

    async def retry(self, id: str, *, now: float) -> list[str]:
        """Make work due at once, as if it had never failed: an archive's prefetch, offloads and given-up deliveries, or
        a web page. Return the queues that had any.
        """
        found: tuple[tuple[str, Any, Any, dict[str, Any]], ...] = (
            (PREFETCHES, jobs, (jobs.c.hash == id) & (jobs.c.kind == PREFETCH), {"reason": None, "waits": 0}),
            (PAGES, webpages, webpages.c.id == id, {"reason": None, "waits": 0, "code": None, "detail": None}),
            (DELIVERIES, deliveries, deliveries.c.hash == id, {}),
        )

        def change(connection: Connection) -> list[str]:
            begun = []
            for name, queue, mine, cleared in found:
                again = update(queue).where(mine, queue.c.state.in_(_OPEN)).values(**_FRESH, **cleared, not_before=now)
                ids = connection.execute(again.returning(queue.c.id)).scalars().all()
                for each in ids:
                    self._wakes.wake(connection, name, str(each), now)
                if ids:
                    begun.append(name)
            return begun + self._offloads_again(connection, id, now)

        return await self._writer.apply(change)

    def _offloads_again(self, connection: Connection, hash: str, now: float) -> list[str]:
        """Make the archive's offloads due, each by the node that has the copy; return their queues."""
        mine = (jobs.c.hash == hash) & _is_offload & jobs.c.state.in_(_OPEN)
        again = update(jobs).where(mine).values(**_FRESH, reason=None, waits=0, not_before=now)
        queues = []
        for id, kind in connection.execute(again.returning(jobs.c.id, jobs.c.kind)):
            queues.append(f"{OFFLOADS}{kind.removeprefix(OFFLOAD)}")
            self._wakes.wake(connection, queues[-1], str(id), now)
        return queues
