"""Status: what is known of an archive now. Whoever asks while it is looked at shares the next look."""

import asyncio
import contextlib
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from streamzip.archives.build import is_under_way
from streamzip.archives.copies import CopyPlaces
from streamzip.archives.documents import (
    MOST_LISTED,
    LeftOut,
    Members,
    StatusDocument,
    SummaryDocument,
    prefetch_document,
    status_document,
    summary,
    webhooks_document,
    with_others,
)
from streamzip.archives.joined import Joined
from streamzip.archives.leases import Leases
from streamzip.archives.load import Loader
from streamzip.archives.others import OtherNodes
from streamzip.archives.table import ArchiveTable
from streamzip.assembly.assembly import Assembly
from streamzip.assembly.ledger import Ledger
from streamzip.clock import Clock
from streamzip.errors import NotReady, Problem
from streamzip.files.aside import in_long_thread
from streamzip.spool.shelf import Shelf
from streamzip.store.queues import QUEUED
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow
from streamzip.store.states import SETTLED
from streamzip.zip.layout import Layout

LONG: Final = 1000  # members; longer archives are counted in a thread
LONG_AT_ONCE: Final = 2  # manifests of any length that are read for the sake of a status
LEAST_FREE: Final = 1 << 20  # bytes of the disk: with less, no create is sure to be kept
NOTED_WITHIN: Final = 5.0  # seconds that a status waits for the store to hear of a finished copy


@dataclass(frozen=True, slots=True)
class Asked:
    """What a status is to hold. `errors_from`: the first index of the entries left out; `members_from`: of every
    entry's state, None for none.
    """

    hash: str
    errors_from: int = 0
    members_from: int | None = None


@dataclass(frozen=True)
class Look:
    """A status document without URLs. `elsewhere`: only another process works on the archive, here or on another
    node.
    """

    document: StatusDocument
    elsewhere: bool

    @cached_property
    def head(self) -> bytes:
        """Return the document as JSON, without the brace that closes it: made once for all who share the look."""
        return json.dumps(self.document)[:-1].encode()

    @cached_property
    def id(self) -> str:
        """Return the name of this state of the archive, in every process and life."""
        return hashlib.sha256(json.dumps(self.document, sort_keys=True).encode()).hexdigest()[:16]


class Statuses:
    """Looks at archives, each once however many ask."""

    def __init__(
        self,
        repository: Repository,
        loader: Loader,
        leases: Leases,
        table: ArchiveTable,
        shelf: Shelf,
        copies: CopyPlaces,
        clock: Clock,
        others: OtherNodes,
    ) -> None:
        self._copies = copies
        self._repository = repository
        self._loader = loader
        self._leases = leases
        self._table = table
        self._shelf = shelf
        self._clock = clock
        self._others = others
        self._looks = Joined(self._look)
        self._long = asyncio.Semaphore(LONG_AT_ONCE)

    async def look(self, asked: Asked) -> Look:
        """Look at the archive. Raises NotFound, Damaged."""
        return await self._looks(asked)

    async def ready(self) -> None:
        """Raise a Problem where the store or the disk would refuse an archive."""
        await self._repository.overview.ping()
        try:
            free = await asyncio.to_thread(self._shelf.free_space)
        except OSError as error:
            detail = f"the folder of the copies cannot be used: {error.strerror}"
            raise NotReady(detail, code="disk_unavailable", retry_after=10) from error
        if free < LEAST_FREE:
            raise NotReady("the disk is full: make room on it", code="disk_unavailable", retry_after=10)

    async def is_unfinished(self, archive_hash: str) -> bool:
        """Return whether the archive may still need its origins to be completed."""
        row = await self._repository.get(archive_hash)
        over = row is None or (row.expires_at is not None and row.expires_at <= self._clock.wall())
        return not over and row is not None and row.state not in SETTLED

    async def page(
        self, owner: str, *, limit: int, before: tuple[float, str] | None
    ) -> tuple[list[SummaryDocument], tuple[float, str] | None]:
        """Return an owner's archives, the newest first, from `before` on; and where the next page begins."""
        rows = await self._repository.catalogue.page(owner, now=self._clock.wall(), limit=limit + 1, before=before)
        held = await self._others.holding([row.hash for row in rows[:limit]])
        active, begun = {each.hash for each in held if each.active}, {each.hash for each in held if each.bytes}
        found = [
            summary(
                row,
                active=self._table.reading(row.hash) or row.hash in active,
                begun=self._shelf.begun(row.hash) or row.hash in begun,
            )
            for row in rows[:limit]
        ]
        return found, (rows[limit - 1].created_at, rows[limit - 1].hash) if len(rows) > limit else None

    async def _look(self, asked: Asked) -> Look:
        hash, store = asked.hash, self._repository
        row = await self._loader.row(hash)
        assembly = await self._peek(row)
        ledger = None if assembly is None else assembly.ledger
        cached = await asyncio.to_thread(self._shelf.has_copy, hash)
        if row.completed_at is None and (cached or self._table.is_finishing(hash)):
            # Its last byte may have been given out already: durable, and the store does not know it yet, or soon so.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOTED_WITHIN):
                    await self._table.finished(hash)
            row = await self._loader.row(hash)
            cached = await asyncio.to_thread(self._shelf.has_copy, hash)
        if row.completed_at is not None and not cached:
            cached = await self._copies.has(hash)
        job, now = await store.jobs.last(hash), self._clock.wall()
        queued = job is not None and job.state == QUEUED and is_under_way(job, now)
        here = self._table.reading(hash) or queued
        held = [each for each in await self._others.holding([hash]) if each.rounds == row.rounds]
        others_pull = any(each.active for each in held)
        elsewhere = not here and (others_pull or await asyncio.to_thread(self._shelf.pulled, hash))
        found = await store.overview.left_out(hash, first=asked.errors_from, most=MOST_LISTED + 1)
        document = status_document(
            row,
            assembly,
            left_out=LeftOut.cut(*found, warnings=await store.overview.warnings(hash)),
            active=here or elsewhere,
            cached=cached or any(each.cached for each in held),
            entries_done=0 if row.completed_at is not None or ledger is None else await _entries_done(ledger),
            members=None if asked.members_from is None else await self._members(row, ledger, asked.members_from),
            waiting=await self._loader.waiting_for(row),
        )
        deliveries, hooks = await store.deliveries.of(hash), await store.deliveries.hooks(hash)
        status: StatusDocument = {
            **with_others(document, held),
            "prefetch": prefetch_document(job, now),
            "webhooks": webhooks_document(deliveries, hooks),
        }
        return Look(status, elsewhere)

    async def _members(self, row: ArchiveRow, ledger: Ledger | None, start: int) -> Members:
        start = min(start, row.entries)
        stop = min(start + MOST_LISTED, row.entries)
        async with self._long:
            manifest = await self._loader.manifest(row.hash)
            done: frozenset[int] = frozenset()
            if ledger is not None and row.completed_at is None:
                done = await in_long_thread(lambda: _done_between(ledger, start, stop))
            layout = await self._loader.layout(row.hash) if ledger is None else ledger.layout
            placed = {} if layout is None else await in_long_thread(lambda: _placed_between(layout, start, stop))
        _, records = await self._repository.overview.left_out(row.hash, first=start, most=max(1, stop - start))
        left_out = frozenset(record["index"] for record in records if record["index"] < stop)
        return Members(manifest, start, stop, done, left_out, placed)

    async def _peek(self, row: ArchiveRow) -> Assembly | None:
        """Return what is there of an archive that is not completed, where anything is."""
        assembly = self._table.peek(row.hash)
        if assembly is None and row.completed_at is None and self._shelf.begun(row.hash):
            with contextlib.suppress(Problem):
                async with self._leases.lease(row) as lease:
                    return lease.shared
        if assembly is not None:
            assembly.archive.follow()
        return assembly


async def _entries_done(ledger: Ledger) -> int:
    if ledger.layout.members < LONG:
        return ledger.entries_done
    return await in_long_thread(lambda: ledger.entries_done)


def _done_between(ledger: Ledger, start: int, stop: int) -> frozenset[int]:
    """Return which of the entries `[start, stop)` are there; for a thread."""
    members = (each for each in enumerate(ledger.layout.entries) if start <= each[1] < stop)
    return frozenset(entry for member, entry in members if ledger.done(member))


def _placed_between(layout: Layout, start: int, stop: int) -> dict[int, tuple[str, int]]:
    """Return names, as they stand in the archive, and sizes of the entries `[start, stop)`; for a thread."""
    rows = zip(layout.entries, layout.names, layout.sizes, strict=True)
    return {entry: (name, size) for entry, name, size in rows if start <= entry < stop}
