"""Oversight: the archives of all owners, what is pulled and for whom, what is queued and why, as an operator sees them
and steps in. Documents have no URLs: receivers and files may be secrets.
"""

import asyncio
from collections.abc import Iterable
from typing import Literal

from streamzip.archives.copies import CopyPlaces
from streamzip.archives.documents import prefetch_document, summary
from streamzip.archives.oversight_answers import AdminFacts, AdminStatus, AdminSummary, AdminWork, PulledArchive
from streamzip.archives.remove import Removal
from streamzip.archives.status import Asked, Statuses
from streamzip.archives.table import ArchiveTable
from streamzip.clock import Clock, rfc3339
from streamzip.errors import Conflict, NotFound
from streamzip.spool.shelf import Held, Shelf
from streamzip.store.queues import QUEUED
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow, QueuedRow


class Oversight:
    """`queues`: those events are set where queued work was made due."""

    def __init__(
        self,
        repository: Repository,
        statuses: Statuses,
        removal: Removal,
        table: ArchiveTable,
        shelf: Shelf,
        copies: CopyPlaces,
        clock: Clock,
        queues: Iterable[asyncio.Event],
    ) -> None:
        self._repository = repository
        self._statuses = statuses
        self._removal = removal
        self._table = table
        self._shelf = shelf
        self._copies = copies
        self._clock = clock
        self._queues = tuple(queues)

    async def page(
        self, *, limit: int, before: tuple[float, str] | None = None, owner: str | None = None
    ) -> tuple[list[AdminSummary], tuple[float, str] | None]:
        """Return archives of all owners, or of one, the newest first; and where the next page begins."""
        rows = await self._repository.catalogue.oversight.page(
            now=self._clock.wall(), limit=limit + 1, before=before, owner=owner
        )
        shown = rows[:limit]
        found = await asyncio.to_thread(lambda: [self._listed(row, self._shelf.share(row.hash)) for row in shown])
        return found, (shown[-1].created_at, shown[-1].hash) if len(rows) > limit else None

    async def pulled(self) -> list[PulledArchive]:
        """Return the archives that files are pulled for at this moment, in any process of this data folder."""
        here = self._table.names()
        held = await asyncio.to_thread(self._pulled)
        rows = await self._repository.catalogue.oversight.archives({*here, *held})
        rows = [row for row in rows if row.hash in held or row.completed_at is None]
        found: list[PulledArchive] = []
        for row in sorted(rows, key=lambda row: row.created_at):
            job = await self._repository.jobs.last(row.hash)
            share = held.get(row.hash, Held(row.hash, 0, finished=False, last_use=0.0))
            prefetch = prefetch_document(job, self._clock.wall())
            found.append({**self._listed(row, share), "prefetch": prefetch})
        return found

    def _pulled(self) -> dict[str, Held]:
        unfinished = [each for each in self._shelf.held() if not each.finished]
        return {each.name: each for each in unfinished if self._shelf.pulled(each.name)}

    def _listed(self, row: ArchiveRow, share: Held) -> AdminSummary:
        summed = summary(row, active=self._table.reading(row.hash), begun=share.taken > 0)
        return {**summed, **self._only_here(row, share), "code": row.code, "cached": share.finished}

    def _only_here(self, row: ArchiveRow, share: Held) -> AdminFacts:
        readers = self._table.readers(row.hash)
        return {"owner": row.owner, "origin": row.origin, "disk_bytes": share.taken, "readers": readers}

    async def show(self, archive_hash: str) -> AdminStatus:
        """Return the archive's status, with what only an operator is told. Raises NotFound, Damaged."""
        document = (await self._statuses.look(Asked(archive_hash))).document
        rows = await self._repository.catalogue.oversight.archives([archive_hash])
        if not rows:
            raise NotFound("there is no archive of this name")
        share = await asyncio.to_thread(self._shelf.share, archive_hash)
        return {
            **document,
            **self._only_here(rows[0], share),
            "pulled": await asyncio.to_thread(self._shelf.pulled, archive_hash),
            "generation": rows[0].generation,
            "rounds": rows[0].rounds,
        }

    async def queue(self, *, limit: int) -> tuple[int, list[AdminWork]]:
        """Return how many pieces of work are queued or were given up, and the first of them, with their reasons."""
        total, rows = await self._repository.catalogue.oversight.queue(limit=limit)
        now = self._clock.wall()
        return total, [_queued(row, now) for row in rows]

    async def evict(self, archive_hash: str) -> None:
        """Remove the archive's copy, in the bucket too; it is pulled again when it is wanted. Raises NotFound, Conflict
        where somebody reads the one that is here.
        """
        if not await self._repository.catalogue.oversight.archives([archive_hash]):
            raise NotFound("there is no archive of this name")
        self._table.close_idle(archive_hash)
        if not await asyncio.to_thread(self._shelf.evict, archive_hash):
            raise Conflict("somebody reads this copy, or did within the last seconds", code="copy_in_use")
        await self._copies.forget(archive_hash)

    async def delete(self, archive_hash: str) -> None:
        """Remove the archive, its copy and its jobs; its readers are cut. Raises NotFound."""
        await self._removal.delete(archive_hash)

    async def retry(self, id: str) -> list[str]:
        """Make queued or given-up work due now: an archive's by its hash, or a page's download by its id.

        Return the queues that had any. Raises NotFound where none has.
        """
        begun = await self._repository.catalogue.oversight.retry(id, now=self._clock.wall())
        if not begun:
            raise NotFound("nothing is queued for that, and nothing was given up")
        for queue in self._queues:
            queue.set()
        return begun


def _queued(row: QueuedRow, now: float) -> AdminWork:
    state: Literal["failed", "waiting", "running"]
    state = "failed" if row.state != QUEUED else "waiting" if row.reason or row.not_before > now else "running"
    return {
        "queue": row.queue,
        "id": row.id,
        "archive_hash": row.hash,
        "owner": row.owner,
        "state": state,
        "reason": row.reason,
        "attempts": row.attempts,
        "toward": row.toward,
        "queued_at": rfc3339(row.created_at),
        "next_attempt_at": rfc3339(row.not_before) if row.state == QUEUED and row.not_before > now else None,
    }
