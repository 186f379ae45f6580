"""The queue of work that survives a restart: what is to be done, not who is doing it.

A job stays until it is done, cancelled or given up; the process that runs it keeps that in memory alone, so that after
a crash every unfinished job is due again without anybody's lease to wait for. One that was given up stays and says why,
until it is added again or its archive goes.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update

from streamzip.store.queues import (
    NOTHING,
    PREFETCHES,
    QUEUED,
    LeftOut,
    blocked,
    by_reason,
    in_shares,
    is_due,
    is_mine,
    is_waiting,
    next_due,
    take_up,
    withdrawn,
)
from streamzip.store.reading import Reads
from streamzip.store.rows import JobRow
from streamzip.store.statements import InsertAbsent, changed
from streamzip.store.tables import archives, jobs
from streamzip.store.wakes import Wakes
from streamzip.store.writer import Writer

FAILED = "failed"
PREFETCH: Final = "prefetch"
OFFLOAD: Final = "offload"  # with a node's name behind it: what is to be done there, where the copy is

_SHARED: Final = {"owner": archives.c.owner, "origin": archives.c.origin}
_COLUMNS = [{**jobs.c, **_SHARED}[field.name] for field in dataclasses.fields(JobRow)]
_ROWS = select(*_COLUMNS).join_from(jobs, archives)
_add_job = InsertAbsent(jobs)


class Jobs:
    """The jobs of one kind, at most one for an archive; a deleted archive takes its jobs with it. `queue`: by which
    whoever works on them is woken.
    """

    def __init__(
        self, reads: Reads, writer: Writer, wakes: Wakes, *, kind: str = PREFETCH, queue: str = PREFETCHES
    ) -> None:
        self._reads = reads
        self._writer = writer
        self._wakes = wakes
        self._kind = kind
        self._queue = queue
        self._ours = jobs.c.kind == kind

    def of_kind(self, kind: str, queue: str) -> "Jobs":
        """Return the jobs of another kind, in the same table."""
        return Jobs(self._reads, self._writer, self._wakes, kind=kind, queue=queue)

    async def add(self, hash: str, *, now: float) -> None:
        """Queue it, due at once (`now`: epoch s); one that waits for a retry or was given up starts afresh.

        Raises NotFound where the archive is gone.
        """
        await self._writer.apply(lambda connection: self.add_within(connection, hash, now))

    async def due(
        self,
        now: float,
        *,
        longest: float,
        limit: int = 100,
        left_out: LeftOut = NOTHING,
        turns_below: int | None = None,
    ) -> list[JobRow]:
        """Queued jobs whose time has come (see `is_due`), the longest waiting first, without those that are `left_out`,
        which the caller runs already: it claims none. `turns_below`: only those that had fewer turns.
        """
        query = _ROWS.where(self._ours, is_due(jobs, now, longest), _waiting(left_out))
        if turns_below is not None:
            query = query.where(jobs.c.waits + jobs.c.attempts < turns_below)
        return await self._jobs(query.order_by(jobs.c.not_before, jobs.c.id).limit(limit))

    async def next_due(self, left_out: LeftOut = NOTHING) -> float | None:
        """Return when the earliest of the others is due (epoch s, it may be past); None where nothing is queued."""
        found = select(jobs.c.id).join_from(jobs, archives).where(self._ours, _waiting(left_out))
        return await next_due(self._reads, jobs, jobs.c.id.in_(found))

    async def pending(self, hash: str) -> JobRow | None:
        """Return the job that is still to be done for the archive."""
        job = await self.last(hash)
        return job if job is not None and job.state == QUEUED else None

    async def last(self, hash: str) -> JobRow | None:
        """Return the archive's job, unless it was done; it may have been given up."""
        found = await self._jobs(_ROWS.where(self._of(hash)))
        return found[0] if found else None

    async def withdrawn(self, ids: Collection[int]) -> list[int]:
        """Return those of the jobs that are no longer to be done."""
        return await withdrawn(self._reads, jobs, ids)

    async def waiting(self, now: float, *, longest: float, left_out: LeftOut, no_room: bool) -> Mapping[str, int]:
        """Note why jobs wait that are due, and return how many wait, by reason. `left_out`: those that are worked on,
        and the shares of the slots that are taken; `no_room`: all slots are.
        """
        waiting, shared = self._ours & is_waiting(jobs, left_out.ids), in_shares(_SHARED, left_out)
        due, source = waiting & is_due(jobs, now, longest), jobs.join(archives)
        unsaid, note = blocked(jobs, source, due, shared, no_room=no_room)
        if await self._reads.rows(unsaid):
            await self._writer.apply(lambda connection: changed(connection, note))
        counted = select(jobs.c.reason, func.count()).where(waiting).group_by(jobs.c.reason)
        return by_reason(await self._reads.rows(counted))

    async def begun(self, job: JobRow) -> None:
        """Note that it waits for nothing more."""
        await self._set(job, reason=None)

    def add_within(self, connection: Connection, hash: str, now: float) -> None:
        """Queue a job as part of a larger change; see `add`."""
        fresh = {"state": QUEUED, "attempts": 0, "not_before": now, "reason": None, "waits": 0}
        if not _add_job(connection, {"kind": self._kind, "hash": hash, "created_at": now, **fresh}):
            connection.execute(update(jobs).where(self._of(hash)).values(**fresh))
        id = connection.execute(select(jobs.c.id).where(self._of(hash))).scalar_one()
        self._wakes.wake(connection, self._queue, str(id), now)

    async def claim(self, id: str, now: float) -> JobRow | None:
        """Take the job up; None where it is not to be done now."""

        def change(connection: Connection) -> bool:
            return take_up(connection, jobs, int(id), now, reason=None)

        if not await self._writer.apply(change):
            return None
        found = await self._jobs(_ROWS.where(jobs.c.id == int(id)))
        return found[0] if found else None

    async def done(self, job: JobRow) -> None:
        """Remove the job, which is done. No error where it was cancelled meanwhile."""

        def change(connection: Connection) -> None:
            connection.execute(delete(jobs).where(is_mine(jobs, job)))

        await self._writer.apply(change)

    async def put_off(self, job: JobRow, *, not_before: float, reason: str) -> None:
        """Put it off, which is no failure: try again from `not_before` (epoch s) on."""
        await self._set(job, waits=jobs.c.waits + 1, not_before=not_before, reason=reason)

    async def fail(self, job: JobRow, *, not_before: float | None, reason: str) -> None:
        """Note that an attempt failed: try again from `not_before` (epoch s) on, or never (None) until it is added
        again.
        """
        values: dict[str, Any] = {"attempts": jobs.c.attempts + 1, "waits": 0, "state": FAILED, "reason": reason}
        if not_before is not None:
            values |= {"state": QUEUED, "not_before": not_before}
        await self._set(job, **values)

    async def cancel(self, hash: str) -> bool:
        """Take it back; False where there was none to be done."""

        def change(connection: Connection) -> bool:
            return changed(connection, delete(jobs).where(self._of(hash), jobs.c.state == QUEUED)) > 0

        return await self._writer.apply(change)

    async def _set(self, job: JobRow, **values: Any) -> None:
        def change(connection: Connection) -> None:
            mine = is_mine(jobs, job) & (jobs.c.state == QUEUED)
            if changed(connection, update(jobs).where(mine).values(**values)) and "not_before" in values:
                self._wakes.wake(connection, self._queue, str(job.id), values["not_before"])

        await self._writer.apply(change)

    def _of(self, hash: str) -> ColumnElement[bool]:
        return self._ours & (jobs.c.hash == hash)

    async def _jobs(self, query: Select[Any]) -> list[JobRow]:
        return [JobRow(**row._mapping) for row in await self._reads.rows(query)]


def _waiting(left_out: LeftOut) -> ColumnElement[bool]:
    return is_waiting(jobs, left_out.ids) & ~in_shares(_SHARED, left_out)
