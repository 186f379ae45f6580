"""What happens to archives, as the store, the receivers, the queues and the evictor are told of it."""

import asyncio
import contextlib
import logging
from collections.abc import Collection
from typing import Protocol

from streamzip import metrics
from streamzip.archives.evictor import Pressure
from streamzip.archives.finishing import Finished
from streamzip.errors import Elsewhere, Problem
from streamzip.jobs.offloads import Offloading
from streamzip.logs import event
from streamzip.spool.shelf import Shelf
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow, Event
from streamzip.store.vault import Vault
from streamzip.zip.layout import Layout

logger = logging.getLogger(__name__)

MOST_ROUNDS = 3  # an origin that says something else each time is not asked for ever


class Announcing(Protocol):
    """Tells receivers of archives."""

    async def completed(self, archive_hash: str, *, at: float, size: int, cached: bool) -> Event | None:
        """Return the event of the archive's first full pass, to be stored with it; None where that was made before."""

    async def failed(self, archive_hash: str, code: str) -> None:
        """Keep that the archive failed for good, and why, and tell its receivers."""

    def wake(self) -> None:
        """Have the events that were queued delivered."""


class NotedEvents:
    """The gateway's events; see archives.events.Events. `builds_due` wakes the queue of builds; `node`: the id of
    this one, where other gateways may share the store; `offloads`: where finished copies are queued for the bucket, if
    there is one.
    """

    def __init__(
        self,
        repository: Repository,
        vault: Vault,
        shelf: Shelf,
        announcements: Announcing,
        pressure: Pressure,
        builds_due: asyncio.Event,
        *,
        node: str | None,
        offloads: Offloading | None = None,
    ) -> None:
        self._offloads = offloads
        self._repository = repository
        self._vault = vault
        self._shelf = shelf
        self._announcements = announcements
        self._pressure = pressure
        self._builds_due = builds_due
        self._node = node
        self._keeping: set[asyncio.Task[None]] = set()

    def opened(self, archive_hash: str) -> None:
        """See Events."""
        self._pressure.add()

    def read_first(self, archive_hash: str) -> None:
        """See Events. The reader need not wait for that."""
        task = asyncio.create_task(self._keep(archive_hash))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep(self, archive_hash: str) -> None:
        with contextlib.suppress(Problem):  # the store is away: the next reader does it
            await self._repository.catalogue.keep(archive_hash)

    async def released(self, row: ArchiveRow, layout: Layout, *, kept: bool) -> bool:
        """See Events."""
        by = self._owner_of(layout) if kept else None
        if row.released and row.rounds == layout.rounds and by in (None, row.released_by):
            return True
        return await self._repository.rounds.mark_released(row.hash, rounds=layout.rounds, by=by)

    def _owner_of(self, layout: Layout) -> str | None:
        """Return the node that alone can prove what it gives out by the layout; None where every one can."""
        return None if self._node is None or layout.provable else self._node

    async def asked_anew(self, archive_hash: str, *, rounds: int) -> bool:
        """See Events."""
        begun = await self._repository.rounds.begin(archive_hash, rounds=rounds, most=MOST_ROUNDS)
        if begun:
            event(logger, logging.INFO, "origins_asked_anew", archive=archive_hash)
        return begun

    async def completed(self, archive_hash: str, finished: Finished) -> None:
        """See Events."""
        sealed, now = self._vault.seal("learned", archive_hash, finished.learned), self._repository.clock.wall()
        cached = self._shelf.has_copy(archive_hash)
        told = await self._announcements.completed(archive_hash, at=now, size=finished.size, cached=cached)
        size, rounds, by = finished.size, finished.layout.rounds, self._owner_of(finished.layout)
        offloads = self._offloads if cached else None
        queue = None if offloads is None else offloads.jobs
        stands = await self._repository.set_completed(
            archive_hash, at=now, size=size, crcs=sealed, event=told, rounds=rounds, by=by, offloads=queue
        )
        if offloads is not None:
            offloads.due.set()
        if by is not None and not stands:
            await asyncio.to_thread(self._shelf.remove, archive_hash)
            raise Elsewhere
        if self._node is not None and cached:
            with contextlib.suppress(Problem):  # compared with the shelf now and then
                await self._repository.nodes.keep(self._node, [archive_hash], now, cached=True)
        self._announcements.wake()
        metrics.COMPLETED.add()
        event(logger, logging.INFO, "archive_completed", archive=archive_hash, size=finished.size)
        self._pressure.add(finished.size)

    async def failed(self, archive_hash: str, code: str, *, for_good: bool) -> None:
        """See Events."""
        metrics.FAILED.add(code)
        if for_good:
            await self._announcements.failed(archive_hash, code)
        else:
            await self._repository.set_code(archive_hash, code)

    async def evicted(self, archives: Collection[str]) -> None:
        """See Events."""
        if self._node is not None:
            with contextlib.suppress(Problem):  # compared with the shelf now and then
                await self._repository.nodes.keep(self._node, archives, self._repository.clock.wall(), cached=False)

    def disk_full(self, archive_hash: str) -> None:
        """See Events."""
        self._pressure.add(full=True)

    def queued(self, archive_hash: str) -> None:
        """See Events."""
        self._builds_due.set()
