"""What happens to archives, as the store, the receivers, the queues and the evictor are told of it."""

import asyncio
import contextlib
import logging
from typing import Protocol

from streamzip import metrics
from streamzip.archives.evictor import Pressure
from streamzip.archives.finishing import Finished
from streamzip.errors import Problem
from streamzip.logs import event
from streamzip.spool.shelf import Shelf
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow, Event
from streamzip.store.vault import Vault

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
    """The gateway's events; see archives.events.Events. `builds_due` wakes the queue of builds."""

    def __init__(
        self,
        repository: Repository,
        vault: Vault,
        shelf: Shelf,
        announcements: Announcing,
        pressure: Pressure,
        builds_due: asyncio.Event,
    ) -> None:
        self._repository = repository
        self._vault = vault
        self._shelf = shelf
        self._announcements = announcements
        self._pressure = pressure
        self._builds_due = builds_due
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

    async def released(self, row: ArchiveRow, *, rounds: int) -> bool:
        """See Events."""
        if row.released and row.rounds == rounds:
            return True
        return await self._repository.rounds.mark_released(row.hash, rounds=rounds)

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
        await self._repository.set_completed(
            archive_hash, at=now, size=finished.size, crcs=sealed, event=told, rounds=finished.rounds
        )
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

    def disk_full(self, archive_hash: str) -> None:
        """See Events."""
        self._pressure.add(full=True)

    def queued(self, archive_hash: str) -> None:
        """See Events."""
        self._builds_due.set()
