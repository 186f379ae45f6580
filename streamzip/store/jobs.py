"""The queue of work that survives a restart: what is to be done, not who is doing it.

A job stays until it is done, cancelled or given up; the process that runs it keeps that in memory alone, so that after
a crash every unfinished job is due again without anybody's lease to wait for.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, select, update

from streamzip.store.queues import QUEUED, is_due, is_waiting, next_due
from streamzip.store.reading import Reads
from streamzip.store.rows import JobRow
from streamzip.store.statements import InsertAbsent, changed
from streamzip.store.tables import jobs
from streamzip.store.writer import Writer

FAILED = "failed"

_COLUMNS = [jobs.c[field.name] for field in dataclasses.fields(JobRow)]
_add_job = InsertAbsent(jobs)


class Jobs:
    """At most one job of a kind for an archive; a deleted archive takes its jobs with it."""

    def __init__(self, reads: Reads, writer: Writer) -> None:
        self._reads = reads
        self._writer = writer

    async def add(self, kind: str, hash: str, *, now: float) -> None:
        """Queue it, due at once (`now`: epoch s); one that waits for a retry or was given up starts afresh.

        Raises NotFound where the archive is gone.
        """
        await self._writer.apply(lambda connection: add_job(connection, kind, hash, now))

    async def due(self, now: float, *, longest: float, limit: int = 100, ids: Collection[int] = ()) -> list[JobRow]:
        """Queued jobs whose time has come (see `is_due`), the longest waiting first, without those `ids`, which the
        caller runs already: it claims none.
        """
        query = select(*_COLUMNS).where(is_due(jobs, now, longest), is_waiting(jobs, ids))
        return await self._jobs(query.order_by(jobs.c.not_before, jobs.c.id).limit(limit))

    async def next_due(self, *, ids: Collection[int] = ()) -> float | None:
        """When the earliest of the others is due (epoch s, it may be past); None where nothing is queued."""
        return await next_due(self._reads, jobs, is_waiting(jobs, ids))

    async def pending(self, kind: str, hash: str) -> JobRow | None:
        """The job of that kind which is still to be done for the archive."""
        found = await self._jobs(select(*_COLUMNS).where(_of(kind, hash), jobs.c.state == QUEUED))
        return found[0] if found else None

    async def done(self, id: int) -> None:
        """It is done; nothing is left of it. No error where it was cancelled meanwhile."""

        def change(connection: Connection) -> None:
            connection.execute(delete(jobs).where(jobs.c.id == id))

        await self._writer.apply(change)

    async def fail(self, id: int, *, not_before: float | None) -> None:
        """An attempt failed: try again from `not_before` (epoch s) on, or never (None) until it is added again."""
        values: dict[str, Any] = {"attempts": jobs.c.attempts + 1, "state": FAILED}
        if not_before is not None:
            values |= {"state": QUEUED, "not_before": not_before}

        def change(connection: Connection) -> None:
            connection.execute(update(jobs).where(jobs.c.id == id).values(**values))

        await self._writer.apply(change)

    async def cancel(self, kind: str, hash: str) -> bool:
        """Take it back; False where there was none."""

        def change(connection: Connection) -> bool:
            return changed(connection, delete(jobs).where(_of(kind, hash))) > 0

        return await self._writer.apply(change)

    async def _jobs(self, query: Select[Any]) -> list[JobRow]:
        return [JobRow(**row._mapping) for row in await self._reads.rows(query)]


def add_job(connection: Connection, kind: str, hash: str, now: float) -> None:
    """Queue a job as part of a larger change; see Jobs.add."""
    fresh = {"state": QUEUED, "attempts": 0, "not_before": now}
    if not _add_job(connection, {"kind": kind, "hash": hash, "created_at": now, **fresh}):
        connection.execute(update(jobs).where(_of(kind, hash)).values(**fresh))


def _of(kind: str, hash: str) -> ColumnElement[bool]:
    return (jobs.c.kind == kind) & (jobs.c.hash == hash)
