"""The queue of work that survives a restart: what is to be done, not who is doing it.

A job stays until it is done, cancelled or given up; the process that runs it keeps that in memory alone, so that after
a crash every unfinished job is due again without anybody's lease to wait for. One that was given up stays and says why,
until it is added again or its archive goes.
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, select, update

from streamzip.store.queues import PREFETCHES, QUEUED, is_mine
from streamzip.store.reading import Reads
from streamzip.store.rows import JobRow
from streamzip.store.statements import InsertAbsent, changed
from streamzip.store.stored_queue import QueueSchema, StoredQueue
from streamzip.store.tables import archives, jobs
from streamzip.store.wakes import Wakes
from streamzip.store.writer import Writer

FAILED = "failed"
PREFETCH: Final = "prefetch"
OFFLOAD: Final = "offload"  # with a node's name behind it: what is to be done there, where the copy is

_add_job = InsertAbsent(jobs)


class Jobs(StoredQueue[JobRow]):
    """The jobs of one kind, at most one for an archive; a deleted archive takes its jobs with it. `queue`: by which
    whoever works on them is woken.
    """

    def __init__(
        self, reads: Reads, writer: Writer, wakes: Wakes, *, kind: str = PREFETCH, queue: str = PREFETCHES
    ) -> None:
        schema = QueueSchema(
            name=queue,
            row=JobRow,
            table=jobs,
            shares={"owner": archives.c.owner, "origin": archives.c.origin},
            joined=jobs.join(archives),
            why=jobs.c.reason,
            ours=jobs.c.kind == kind,
        )
        super().__init__(schema, reads, writer, wakes)
        self._kind = kind

    @staticmethod
    def id_of(text: str) -> int:
        """See StoredQueue."""
        return int(text)

    def of_kind(self, kind: str, queue: str) -> "Jobs":
        """Return the jobs of another kind, in the same table."""
        return Jobs(self._reads, self._writer, self._wakes, kind=kind, queue=queue)

    async def add(self, hash: str, *, now: float) -> None:
        """Queue it, due at once (`now`: epoch s); one that waits for a retry or was given up starts afresh.

        Raises NotFound where the archive is gone.
        """
        await self._writer.apply(lambda connection: self.add_within(connection, hash, now))

    async def pending(self, hash: str) -> JobRow | None:
        """Return the job that is still to be done for the archive."""
        job = await self.last(hash)
        return job if job is not None and job.state == QUEUED else None

    async def last(self, hash: str) -> JobRow | None:
        """Return the archive's job, unless it was done; it may have been given up."""
        found = await self._rows(self._schema.select().where(self._of(hash)))
        return found[0] if found else None

    async def begun(self, job: JobRow) -> None:
        """Note that it waits for nothing more."""
        await self._note(job, reason=None)

    def add_within(self, connection: Connection, hash: str, now: float) -> None:
        """Queue a job as part of a larger change; see `add`."""
        fresh = {"state": QUEUED, "attempts": 0, "not_before": now, "reason": None, "waits": 0}
        if not _add_job(connection, {"kind": self._kind, "hash": hash, "created_at": now, **fresh}):
            connection.execute(update(jobs).where(self._of(hash)).values(**fresh))
        id = connection.execute(select(jobs.c.id).where(self._of(hash))).scalar_one()
        self._wakes.wake(connection, self._schema.name, str(id), now)

    async def done(self, job: JobRow) -> None:
        """Remove the job, which is done. No error where it was cancelled meanwhile."""

        def change(connection: Connection) -> None:
            connection.execute(delete(jobs).where(is_mine(jobs, job)))

        await self._writer.apply(change)

    async def put_off(self, job: JobRow, *, not_before: float, reason: str) -> None:
        """Put it off, which is no failure: try again from `not_before` (epoch s) on."""
        await self._note(job, waits=jobs.c.waits + 1, not_before=not_before, reason=reason)

    async def fail(self, job: JobRow, *, not_before: float | None, reason: str) -> None:
        """Note that an attempt failed: try again from `not_before` (epoch s) on, or never (None) until it is added
        again.
        """
        values: dict[str, Any] = {"attempts": jobs.c.attempts + 1, "waits": 0, "state": FAILED, "reason": reason}
        if not_before is not None:
            values |= {"state": QUEUED, "not_before": not_before}
        await self._note(job, **values)

    async def cancel(self, hash: str) -> bool:
        """Take it back; False where there was none to be done."""

        def change(connection: Connection) -> bool:
            return changed(connection, delete(jobs).where(self._of(hash), jobs.c.state == QUEUED)) > 0

        return await self._writer.apply(change)

    def _mine(self, row: JobRow) -> ColumnElement[bool]:
        return super()._mine(row) & (jobs.c.state == QUEUED)

    def _of(self, hash: str) -> ColumnElement[bool]:
        return self._schema.ours & (jobs.c.hash == hash)
