"""Create: keep what is asked for, durably; the same manifest gives the same archive. Its origins are asked in the
background.
"""

import contextlib
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from streamzip.access.keyring import KeyRing
from streamzip.access.standard_webhooks import WebhookSecrets
from streamzip.archives.answers import State
from streamzip.archives.aside import aside
from streamzip.archives.budget import Budget
from streamzip.archives.build import Builds
from streamzip.archives.events import Events
from streamzip.archives.generations import Generations
from streamzip.archives.load import Loader
from streamzip.archives.owners import Owners
from streamzip.archives.status import Asked, Statuses
from streamzip.errors import Conflict, NotFound
from streamzip.manifest.model import Manifest
from streamzip.manifest.parse import CreateRequest, Rename
from streamzip.manifest.uploads import unpinned
from streamzip.spool.shelf import Shelf
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow
from streamzip.store.vault import Vault


@dataclass(frozen=True, slots=True)
class Created:
    """What create gives back. `existed`: the same request had been made before; `status` as in the status document;
    `webhook_secret` is what the receiver that the request named verifies with.
    """

    row: ArchiveRow
    existed: bool
    status: State
    renamed: tuple[Rename, ...]
    delete_token: str
    webhook_secret: str | None


class Receivers(Protocol):
    """Those that are told of archives."""

    async def subscribe(self, archive_hash: str, url: str, *, cached: bool) -> None:
        """Tell `url` of the archive. Raises NotFound, InvalidRequest."""


class Pins(Protocol):
    """Pins entries that name files of the gateway's own, as uploads are."""

    def pinned(self, request: CreateRequest) -> AbstractAsyncContextManager[CreateRequest]:
        """Hold those files while the context lasts, and give the request with its entries pinned to their content.

        Raises InvalidRequest.
        """

    async def note_needs(self, manifest: Manifest, archive_hash: str) -> Collection[str]:
        """Note that the archive needs its pinned files, before there is one; while they are held. Return the ids of
        those that the store notes as it keeps the archive. Raises NotFound.
        """


class Buckets(Protocol):
    """The operator's object stores, as entries name them."""

    async def expanded(self, request: CreateRequest) -> CreateRequest:
        """Return the request with the objects below each prefix in its place. Raises InvalidRequest, TooLarge,
        BuildFailed.
        """


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a new archive is kept."""

    repository: Repository
    pins: Pins
    shelf: Shelf
    keys: KeyRing
    vault: Vault
    budget: Budget
    buckets: Buckets


class Creates:
    """Keeps new archives."""

    def __init__(
        self,
        kept: Kept,
        generations: Generations,
        loader: Loader,
        builds: Builds,
        statuses: Statuses,
        owners: Owners,
        receivers: Receivers,
        events: Events,
    ) -> None:
        self._kept = kept
        self._generations = generations
        self._loader = loader
        self._builds = builds
        self._statuses = statuses
        self._owners = owners
        self._receivers = receivers
        self._events = events

    async def create(self, request: CreateRequest, *, prefetch: bool, lifetime: float | None = None) -> Created:
        """Keep the manifest; uploaded files that it names are pinned to the content that they have now.

        `lifetime`: seconds that the archive stands from now on, at least; None: for ever.
        """
        async with self._kept.pins.pinned(request) as fixed:
            expanded = await self._kept.buckets.expanded(fixed)
            try:
                return await self._create(expanded, prefetch=prefetch, lifetime=lifetime)
            except NotFound:  # it stood already, and was deleted before all was done: then it is a new one
                return await self._create(expanded, prefetch=prefetch, lifetime=lifetime)

    async def again(self, archive_hash: str) -> CreateRequest:
        """Return what asks for the next generation of an archive's list: its files as they are now.

        Raises NotFound, Damaged.
        """
        manifest = await self._loader.manifest(archive_hash)
        entries = await aside(
            manifest, lambda: tuple(replace(each, url=unpinned(each.url)) for each in manifest.entries)
        )
        fresh = replace(manifest, entries=entries, generation=1)
        return CreateRequest(fresh, renamed=(), prefetch=None, plain=False, refresh=True)

    async def _create(self, request: CreateRequest, *, prefetch: bool, lifetime: float | None) -> Created:
        until = None if lifetime is None else self._kept.repository.clock.wall() + lifetime
        prefetch = prefetch and self._kept.shelf.within_budget(
            None
        )  # where no copies are kept the link works all the same
        manifest, row, existed = await self._generations.of(request, until)
        if request.webhook is not None:
            await self._take_receiver(row, request.webhook)
        if not existed:
            row = replace(row, prefetch=prefetch)
            existed = not await self._keep(manifest, row)
        secret = None
        if request.webhook is not None:
            cached = self._kept.shelf.has_copy(row.hash)
            await self._receivers.subscribe(row.hash, request.webhook, cached=cached)
            secret = WebhookSecrets.of_receiver(self._kept.keys, manifest.owner, request.webhook).current
        if existed and prefetch:
            with contextlib.suppress(Conflict):  # this one is too large for a copy
                await self._builds.prefetch(row.hash)
        status: State = "in-progress" if prefetch else "pending"
        if existed:
            status = (await self._statuses.look(Asked(row.hash))).document["status"]
        return Created(row, existed, status, request.renamed, self._owners.delete_token(row.hash), secret)

    async def _take_receiver(self, row: ArchiveRow, url: str) -> None:
        """Count the receiver where it is new to the archive, before anything is kept. Raises NoRoom."""
        if url not in await self._kept.repository.deliveries.hooks(row.hash):
            await self._kept.budget.take_more(row.owner, len(url))

    async def _keep(self, manifest: Manifest, row: ArchiveRow) -> bool:
        """Keep a new generation; False where another create has made it meanwhile. Raises NoRoom."""
        kept = self._kept
        uploads = await kept.pins.note_needs(manifest, row.hash)
        await kept.vault.ready()
        sealed = await aside(manifest, partial(kept.vault.seal_manifest, row.hash, manifest))
        await kept.budget.take(row.owner, len(sealed.body))
        row = replace(row, stored=len(sealed.body))
        created = await kept.repository.create(row, sealed, build=row.prefetch, uploads=uploads)
        if created:
            self._loader.begin(row.hash, manifest)
            if row.prefetch:
                self._events.queued(row.hash)
        return created
