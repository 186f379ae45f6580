"""What receivers are told of an archive, and which of them: the events, their documents, and what became of them."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import replace

from streamzip.access.links import ArchiveLinks
from streamzip.archives.documents import LeftOut, status_document
from streamzip.clock import Clock, rfc3339
from streamzip.origins.kinds import may_pass
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow, Event
from streamzip.store.states import ArchiveState

COMPLETED = "archive.completed"
FAILED = "archive.failed"

MOST_TOLD = 100  # entries that were left out in one event: each of its receivers gets the whole of it


class Announcements:
    """`predefined`: the operator's own receiver, told of every archive. `due` wakes the queue of deliveries."""

    def __init__(
        self, repository: Repository, links: ArchiveLinks, clock: Clock, due: asyncio.Event, *, predefined: str | None
    ) -> None:
        self._repository = repository
        self._links = links
        self._clock = clock
        self._predefined = predefined
        self._due = due

    async def completed(self, archive_hash: str, *, at: float, size: int, cached: bool) -> Event | None:
        """Return the event of the archive's first full pass, to be stored with it; None where that was made before."""
        row = await self._repository.get(archive_hash)
        if row is None or row.completed_at is not None:
            return None
        return await self._event(COMPLETED, replace(row, completed_at=at, size=size, code=None), at, cached=cached)

    async def failed(self, archive_hash: str, code: str) -> None:
        """Keep that the archive failed for good, and why, and tell its receivers."""
        row = await self._repository.get(archive_hash)
        if row is not None:
            event = await self._event(FAILED, replace(row, code=code), self._clock.wall(), cached=False)
            await self._repository.set_code(archive_hash, code, event=event)
            self.wake()

    def wake(self) -> None:
        """Have the events that were queued delivered."""
        self._due.set()

    async def subscribe(self, archive_hash: str, url: str, *, cached: bool) -> None:
        """Tell `url` of the archive: at once of what has happened already, else when it happens.

        Raises NotFound where the archive is gone, InvalidRequest where it has as many receivers as it may.
        """
        await self._repository.deliveries.add_hook(archive_hash, url)
        # Looked at only now: what happens from here on finds the receiver in the store.
        row = await self._repository.get(archive_hash)
        if row is None:
            return
        if row.state is ArchiveState.COMPLETED:
            event = await self._event(COMPLETED, row, self._clock.wall(), cached=cached)
        elif await self._failed_for_good(row):
            event = await self._event(FAILED, row, self._clock.wall(), cached=False)
        else:
            return
        await self._repository.deliveries.tell(archive_hash, url, event)
        self.wake()

    async def _failed_for_good(self, row: ArchiveRow) -> bool:
        if row.state is ArchiveState.UNBUILDABLE:
            return _lasts(await self._repository.overview.codes(row.hash))
        return row.state is ArchiveState.STALE

    async def _event(self, type: str, row: ArchiveRow, at: float, *, cached: bool) -> Event:
        overview = self._repository.overview
        found, warnings = await overview.left_out(row.hash, most=MOST_TOLD + 1), await overview.warnings(row.hash)
        left_out = LeftOut.cut(*found, most=MOST_TOLD, warnings=warnings)
        document = status_document(row, None, left_out=left_out, active=False, cached=cached)
        # Never the Host that it was created by: another one could be told to the receiver by whoever knows the list.
        # With a signature, for receivers are the owner's and the operator's.
        links = self._links.of(self._links.public_url or "", row.hash, entitled=True)
        body = json.dumps({"type": type, "timestamp": rfc3339(at), "data": {**document, **links}}, ensure_ascii=False)
        return Event(type, at, body.encode(errors="replace"), self._predefined, row.owner)


def _lasts(codes: Iterable[str]) -> bool:
    return not any(may_pass(code) for code in codes)
