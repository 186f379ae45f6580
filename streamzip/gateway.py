"""The verbs of the gateway: create, status, open, prefetch, delete. Nothing here knows HTTP; every error is a Problem.

A byte's way: `open` has the layout frozen (waiting for the probe), leases the open archive, and hands out a Download;
its reader loops over the pieces from any offset, pulling what the spool lacks. Whoever else wants the archive, in this
process or another, is one more reader of the same spool. A prefetch is a reader that wants everything and keeps none of
it.
"""

import asyncio
import contextlib
import errno
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from streamzip.access.keyring import KeyRing
from streamzip.access.standard_webhooks import WebhookSecrets
from streamzip.archive.budget import Budget
from streamzip.archive.downloading import Download, Facts
from streamzip.archive.finishing import Finished
from streamzip.archive.generations import Generations, aside
from streamzip.archive.loading import STALE, Loader
from streamzip.archive.opened import Lease, Most, OpenArchives
from streamzip.archive.room import Room
from streamzip.archives.status import Asked, Statuses
from streamzip.archives.watching import Watches
from streamzip.assembly.pulling import Pulling
from streamzip.assembly.reader import Reading
from streamzip.clock import Clock
from streamzip.errors import BuildFailed, Conflict, NotFound, NotReady, Problem, Stale
from streamzip.jobs.announcing import Announcements
from streamzip.logs import event
from streamzip.manifest.model import Manifest
from streamzip.manifest.parse import CreateRequest, Rename
from streamzip.sources.upload import note_needs, pinned
from streamzip.spool.memory import Memory
from streamzip.spool.shelf import Shelf
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow
from streamzip.store.uploads import Uploads
from streamzip.store.vault import Vault

logger = logging.getLogger(__name__)

PREFETCH = "prefetch"
DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Created:
    """What create gives back. `existed`: the same request had been made before; `status` as in the status document;
    `webhook_secret` is what the receiver that the request named verifies with.
    """

    row: ArchiveRow
    existed: bool
    status: str
    renamed: tuple[Rename, ...]
    delete_token: str
    webhook_secret: str | None


class Gateway:
    """One process's gateway; `close` it at the end. `on_prefetch` is called whenever a prefetch was queued."""

    def __init__(
        self,
        *,
        repository: Repository,
        uploads: Uploads,
        shelf: Shelf,
        pulling: Pulling,
        reading: Reading,
        memory: Memory,
        keys: KeyRing,
        announcements: Announcements,
        budget: Budget,
        clock: Clock,
        probe_wait: float,
        most: Most,
        most_watchers: int,
        leaving: asyncio.Event,
    ) -> None:
        self._repository = repository
        self._uploads = uploads
        self._announcements = announcements
        self._budget = budget
        self._shelf = shelf
        self._keys = keys
        self._clock = clock
        self._vault = Vault(keys)
        self._generations = Generations(repository, self._vault, keys, clock, budget, on_expired=self._remove)
        self._loader = Loader(
            repository, self._vault, pulling, probe_wait=probe_wait, on_unbuildable=announcements.unbuildable
        )
        self._archives = OpenArchives(shelf, pulling, reading, memory, self._completed, most=most)
        self._room = Room(shelf, clock, promised=self._archives.promised, let_go=self._archives.let_go)
        self._archives.on_opened = self._make_room_soon
        self._under_way: set[asyncio.Task[None]] = set()
        self.statuses = Statuses(repository, self._loader, self._archives, shelf, clock, self._lease)
        self.watches = Watches(
            self.statuses, repository.overview, self._archives, shelf, clock, most=most_watchers, leaving=leaving
        )
        self.on_prefetch: Callable[[], None] = lambda: None

    async def close(self) -> None:
        """End what runs, in order; nothing that was accepted is lost."""
        await self._loader.close()
        await self._archives.close()

    async def ready(self) -> None:
        """Raise a Problem where the store or the disk would refuse an archive."""
        await self._repository.ping()
        try:
            await asyncio.to_thread(self._shelf.free_space)
        except OSError as error:
            detail = f"the folder of the copies cannot be used: {error.strerror}"
            raise NotReady(detail, code="disk_unavailable", retry_after=10) from error

    # -- create and delete -------------------------------------------------------------------------------

    async def create(self, request: CreateRequest, *, prefetch: bool, lifetime: float | None = None) -> Created:
        """As `_create`, with the uploaded files that it names pinned to the content that they have now."""
        async with pinned(self._uploads, request) as fixed:
            return await self._create(fixed, prefetch=prefetch, lifetime=lifetime)

    async def is_unfinished(self, hash: str) -> bool:
        """Whether the archive may still need its origins to be completed."""
        row = await self._repository.get(hash)
        over = row is None or (row.expires_at is not None and row.expires_at <= self._clock.wall())
        return not over and row is not None and row.completed_at is None and row.code != Stale.code

    async def _create(self, request: CreateRequest, *, prefetch: bool, lifetime: float | None) -> Created:
        """Keep the manifest, durably; the same manifest gives the same archive. Its origins are asked in the
        background.

        `lifetime`: seconds that the archive stands from now on, at least; None: for ever.
        """
        until = None if lifetime is None else self._clock.wall() + lifetime
        prefetch = prefetch and self._shelf.takes(None)  # where no copies are kept the link works all the same
        manifest, row, existed = await self._generations.of(request, until)
        if not existed:
            row = replace(row, prefetch=prefetch)
            existed = not await self._keep(manifest, row)
        if request.webhook is not None:
            await self._announcements.subscribe(row.hash, request.webhook, cached=self._shelf.has_copy(row.hash))
        if existed and prefetch:
            with contextlib.suppress(Conflict):  # this one is too large for a copy
                await self.prefetch(row.hash)
        status = "in-progress" if prefetch else "pending"
        if existed:
            status = (await self.statuses.look(Asked(row.hash))).document["status"]
        secret = None
        if request.webhook is not None:
            secret = WebhookSecrets.of_receiver(self._keys, manifest.owner, request.webhook).current
        return Created(row, existed, status, request.renamed, self._keys.token(DELETE, row.hash), secret)

    async def _keep(self, manifest: Manifest, row: ArchiveRow) -> bool:
        """Keep a new generation; False where another create has made it meanwhile. Raises NoRoom."""
        await note_needs(self._uploads, manifest, row.hash)
        sealed = await aside(manifest, partial(self._vault.seal_manifest, row.hash, manifest))
        await self._budget.take(row.owner, len(sealed.body))
        row = replace(row, stored=len(sealed.body))
        created = await self._repository.create(row, sealed, job=PREFETCH if row.prefetch else None)
        if created:
            self._loader.begin(row.hash, manifest)
            if row.prefetch:
                self.on_prefetch()
        return created

    async def delete(self, hash: str) -> None:
        """Remove the archive, its copy and its jobs; its readers are cut. Raises NotFound."""
        await self._loader.row(hash)
        await self._repository.delete(hash)
        await self._repository.deliveries.forget(hash)
        await self._remove(hash)

    async def _remove(self, hash: str) -> None:
        self._archives.cut(hash, NotFound("the archive was deleted"))
        await asyncio.to_thread(self._shelf.remove, hash)

    # -- open --------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def open(self, hash: str) -> AsyncIterator[Download]:
        """The archive, ready to be read from any offset; nothing is pulled before it is read.

        Raises NotFound; NotReady while the origins are being asked; Stale; BuildFailed where no entry can be had;
        Damaged.
        """
        row = await self._loader.row(hash)
        if row.code == Stale.code:
            problem = Stale(STALE)
            self._archives.cut(hash, problem)  # another process found it so
            raise problem
        async with self._lease(row) as lease:
            yield Download(
                self._facts(row, lease),
                lease,
                on_release=partial(self._release, row, lease),
                on_failure=partial(self._note_failure, hash),
                on_full=partial(self._make_room_soon, full=True),
            )

    @contextlib.asynccontextmanager
    async def _lease(self, row: ArchiveRow) -> AsyncIterator[Lease]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                lease = await stack.enter_async_context(self._archives.lease(row.hash, partial(self._loader.load, row)))
            except Stale as problem:
                await self._note_failure(row.hash, problem)
                raise
            yield lease

    def _facts(self, row: ArchiveRow, lease: Lease) -> Facts:
        archive = lease.shared.archive
        frozen_at = archive.layout.frozen_at
        # An open archive is exact once it was completed; in between, its length could still be another one.
        length = archive.ledger.length if archive.layout.exact or row.completed_at is not None else None
        # Without a copy and without strong validators nothing proves that two answers have the same bytes.
        same = length is not None and (lease.kept or archive.layout.provable)
        etag = f'"{frozen_at:x}-{length:x}"' if same else None
        return Facts(row.filename, length, etag, frozen_at, archive.spool.sealed, row.lapses)

    def hand_over(self, hash: str, *, lapses: bool) -> None:
        """The proxy in front sends the finished copy: it is not evicted until the proxy has had time to open it.

        `lapses`: it is the first to be read.
        """
        self._shelf.touch(hash)
        if lapses:
            self._keep_soon(hash)

    def _keep_soon(self, hash: str) -> None:
        """Have an archive stand that has a reader now; the reader need not wait for that."""
        self._soon(self._keep_read(hash))

    async def _keep_read(self, hash: str) -> None:
        with contextlib.suppress(Problem):  # the store is away: the next reader does it
            await self._repository.catalogue.keep(hash)

    async def _release(self, row: ArchiveRow, lease: Lease) -> None:
        """Bytes are about to be given out: where only the copy can prove what they were, that is noted first."""
        if row.lapses:
            self._keep_soon(row.hash)
        archive = lease.shared.archive
        if lease.kept and not (archive.spool.sealed or archive.layout.provable):
            archive.ledger.gave_out()
            if not row.released:
                await self._repository.mark_released(row.hash)

    async def _note_failure(self, hash: str, problem: Problem) -> None:
        """Remember why the archive failed. Stale is for ever; the rest is taken back by the next full pass."""
        if not isinstance(problem, BuildFailed | Stale):
            return  # the reader's own affair, or the store's
        if isinstance(problem, Stale):
            await self._announcements.failed(hash, problem.code)
            self._archives.cut(hash, problem)
        else:
            await self._repository.set_code(hash, problem.code)

    async def _completed(self, hash: str, finished: Finished) -> None:
        sealed, now = self._vault.seal("learned", hash, finished.learned), self._clock.wall()
        told = await self._announcements.completed(hash, at=now, size=finished.size, cached=self._shelf.has_copy(hash))
        await self._repository.set_completed(hash, at=now, size=finished.size, crcs=sealed, event=told)
        self._announcements.on_event()
        event(logger, logging.INFO, "archive_completed", archive=hash, size=finished.size)
        await self._room.make(finished.size)

    def _make_room_soon(self, *, full: bool = False) -> None:
        self._soon(self._room.make(full=full))

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def make_room(self) -> None:
        """Evict copies that do not fit their budget any more."""
        await self._room.make()

    async def expire(self) -> None:
        """Delete the archives whose time is over, but for those that somebody still reads."""
        for hash in await self._repository.catalogue.expired(self._clock.wall(), limit=1000):
            self._archives.let_go(hash)
            if not await asyncio.to_thread(self._shelf.evict, hash):
                continue
            if await self._repository.catalogue.delete_expired(hash, self._clock.wall()):
                event(logger, logging.INFO, "archive_expired", archive=hash)

    # -- prefetch ----------------------------------------------------------------------------------------

    async def prefetch(self, hash: str) -> bool:
        """Have the archive built in the background, now, across restarts. False where its copy is there already."""
        row = await self._loader.row(hash)
        if row.code == Stale.code:
            raise Stale(STALE)
        if not self._shelf.takes(row.size):
            raise Conflict("no copies are kept here, so there is nothing to build ahead", code="no_cache")
        if row.completed_at is not None and self._shelf.has_copy(hash):
            return False
        await self._repository.jobs.add(PREFETCH, hash, now=self._clock.wall())
        self.on_prefetch()
        return True

    async def building(self, hash: str) -> bool:
        """Whether its first build in the background is under way or due; whoever waits for it may wait on.

        False once it is completed, and where an attempt failed: then a reader finds out by itself. Raises NotFound.
        """
        row = await self._loader.row(hash)
        if row.completed_at is not None or row.code is not None:
            return False
        job = await self._repository.jobs.pending(PREFETCH, hash)
        return job is not None and job.not_before <= self._clock.wall()

    async def cancel_prefetch(self, hash: str) -> None:
        """Stop the background build; what is there stays. Raises NotFound."""
        await self._loader.row(hash)
        await self._repository.jobs.cancel(PREFETCH, hash)
        self.on_prefetch()

    async def fill(self, hash: str) -> None:
        """Pull everything and wait until the copy is durable. Raises as `open` does, and what ended a pull."""
        async with self._lease(await self._loader.row(hash)) as lease:
            assembly = lease.shared
            if not lease.kept and self._shelf.takes(assembly.ledger.length):
                raise NotReady("the copies that are read now leave no room for this one", retry_after=10)
            if not lease.kept:
                raise Conflict("no copy of this archive is kept, so there is nothing to build ahead", code="no_cache")
            try:
                with lease.pulling(), assembly.reader() as reader:
                    await reader.everything()
            except Problem as problem:
                await self._note_failure(hash, problem)
                raise
            if not await self._archives.finished(hash):
                raise OSError(errno.EIO, "the copy could not be finished")

    # -- status -----------------------------------------------------------------------------------------

    async def owner(self, hash: str) -> str | None:
        """The name of the API key that created the archive. Raises NotFound."""
        return (await self._loader.row(hash)).owner

    def is_delete_token(self, hash: str, token: str) -> bool:
        """Return whether create gave this token out for the archive."""
        return self._keys.is_token(DELETE, hash, token)
