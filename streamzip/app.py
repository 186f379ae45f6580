"""The composition root: settings in, every part made and wired, the HTTP application out."""

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from starlette.types import ASGIApp

from streamzip import dropins
from streamzip.access.links import ArchiveLinks
from streamzip.access.sessions import Sessions
from streamzip.access.signed_links import SignedLinks
from streamzip.api.download import MEDIA_TYPES
from streamzip.api.download import Downloads as Served
from streamzip.api.routes import build
from streamzip.archives.budget import Budget, Keeping
from streamzip.archives.build import Builds
from streamzip.archives.copies import CopyPlaces
from streamzip.archives.create import Creates, Kept
from streamzip.archives.download import Downloads
from streamzip.archives.evictor import Evictor, Pressure
from streamzip.archives.following import Follower
from streamzip.archives.generations import Generations
from streamzip.archives.leases import Leases
from streamzip.archives.load import Loader
from streamzip.archives.objects import ArchiveObjects
from streamzip.archives.offload import Offloader
from streamzip.archives.others import KnownNodes, NoOtherNodes, OtherNodes
from streamzip.archives.oversight import Oversight
from streamzip.archives.owners import Owners
from streamzip.archives.publishing import Publisher
from streamzip.archives.remove import Removal
from streamzip.archives.status import Statuses
from streamzip.archives.table import ArchiveTable, Limits
from streamzip.archives.watching import Watches
from streamzip.assembly.kept import KeptLimit
from streamzip.assembly.pulling import Pulling
from streamzip.assembly.reach import Bound, Reaches
from streamzip.assembly.reader import Reading
from streamzip.buckets import store as buckets
from streamzip.config import (
    Settings,
)
from streamzip.data_folder import load_node
from streamzip.edge.disposition import attachment
from streamzip.files.locks import LockFile
from streamzip.folders.door import Folders
from streamzip.gateway import Gateway
from streamzip.guards.auth import Auth
from streamzip.guards.links import Links
from streamzip.guards.rates import Rate
from streamzip.jobs import offloads, prefetch
from streamzip.jobs.embedded import Embedded
from streamzip.jobs.events import NotedEvents
from streamzip.jobs.offloads import BucketSweep, Offloading, Offloads
from streamzip.jobs.port import Dispatcher, Elsewhere, Work
from streamzip.jobs.prefetch import Prefetches
from streamzip.jobs.scrub import Scrub
from streamzip.jobs.sweep import Sweep
from streamzip.jobs.turn_limit import TurnLimit
from streamzip.logs import event
from streamzip.manifest.model import Format
from streamzip.manifest.parse import CreateRequest
from streamzip.net.transport import Trust
from streamzip.net.way_out import direct, way_out
from streamzip.objects.port import Told
from streamzip.origins.counting import Pace
from streamzip.origins.fetch import CHAIN, Fetcher
from streamzip.origins.gate import Gate
from streamzip.origins.http import HttpSource
from streamzip.origins.lanes import Lanes
from streamzip.origins.port import Source
from streamzip.origins.pull import Bounds, Patience
from streamzip.origins.registry import Registry
from streamzip.origins.rewritten import RewrittenSource
from streamzip.origins.sightings import Sightings
from streamzip.process.descriptors import Shares
from streamzip.retry import spread
from streamzip.spool.memory import Memory
from streamzip.spool.shelf import Shelf
from streamzip.start import Secrets, open_bucket, open_store
from streamzip.store.repository import Repository
from streamzip.store.vault import Vault
from streamzip.uploads.door import UploadDoor
from streamzip.uploads.pins import UploadPins
from streamzip.uploads.places import uploads_of
from streamzip.uploads.source import UploadSource
from streamzip.webhooks import deliveries as webhooks
from streamzip.webhooks.announcing import Announcements
from streamzip.webhooks.courier import Courier
from streamzip.webhooks.deliveries import Webhooks
from streamzip.webpages import downloads as webpages
from streamzip.webpages.door import Webpages
from streamzip.webpages.downloads import PageSource, WebpageDownloads

logger = logging.getLogger(__name__)

T = TypeVar("T")

DISK_THREADS = 8  # that read folders and uploads
ALONE_LOOKS_EVERY = 10.0  # seconds, at what a command queued in the data folder
HAND_OVER_GRACE = 60.0  # seconds that nginx gets to open a copy


class Parts:
    """What one process runs; made inside its event loop."""

    def __init__(
        self, settings: Settings, secrets: Secrets, repository: Repository, shares: Shares, *, alone: bool
    ) -> None:
        self.settings = settings
        clock = self.clock = repository.clock
        self.leaving = asyncio.Event()  # set when the process is told to end
        self.repository = repository
        self.pool = ThreadPoolExecutor(max_workers=max(4, (os.cpu_count() or 1) + 2), thread_name_prefix="streamzip")
        self.disk = ThreadPoolExecutor(max_workers=DISK_THREADS, thread_name_prefix="disk")
        trust = Trust(settings.ca_file)
        self.transport = way_out(settings, trust)
        vault, bucket = Vault(secrets.keys), open_bucket(settings)
        self.memory = Memory(settings.stream_memory_bytes // settings.workers)
        self.uploads = uploads_of(settings, repository, vault, bucket, self.memory, self.disk)
        pace = Pace(settings.min_rate, settings.read_timeout)
        at_once = max(1, settings.connections_per_origin // settings.workers)
        passes = Sightings(settings.data_dir / "passes")
        lanes = Lanes(at_once, shares.origins)
        self.gate = Gate(at_once, patience=settings.throttle_wait, passes=passes, lanes=lanes)
        chain = max(CHAIN, settings.connect_timeout + settings.read_timeout)
        doubts = Sightings(settings.data_dir / "doubts")
        web = Fetcher(self.transport, allow=settings.exempt, gate=self.gate, chain=chain)
        http = HttpSource(web, pace=pace, doubts=doubts)
        # What the operator named for other programs' interfaces may be private; no URL of a client is asked for so.
        self._to_own = direct(settings, settings.allow_hosts | dropins.hosts(settings), trust)
        allow_own = settings.exempt | dropins.hosts(settings)
        to_own = Fetcher(self._to_own, allow=allow_own, gate=self.gate, chain=chain)
        own = HttpSource(to_own, pace=pace, doubts=doubts)
        self._to_buckets = buckets.way_to(settings, self.transport, trust)
        objects, in_buckets = buckets.objects_of(settings, self._to_buckets, self.gate, pace)
        own_schemes: dict[str, Source] = {
            "upload": UploadSource(self.uploads),
            **dict.fromkeys(("s3", "gs", "az"), RewrittenSource(in_buckets, objects)),
        }
        pulling = Pulling(
            registry=Registry(http, {**own_schemes, **dropins.sources(settings, own, in_buckets, objects)}),
            lanes=lanes,
            clock=clock,
            pool=self.pool,
            patience=Patience(fruitless=settings.max_attempts, seconds=settings.pull_timeout),
            kept=KeptLimit(settings.stream_memory_bytes // settings.workers // 8),
            list_after=1.0 if alone else 0.1,  # alone, only `kill -9` makes a difference
            bounds=Bounds(entry=settings.max_entry_bytes, archive=settings.max_archive_bytes),
        )
        self.secrets = secrets
        signed = SignedLinks(secrets.keys, lifetime=settings.link_ttl) if settings.signed_links == "on" else None
        self.links = ArchiveLinks(settings.public_url, signed, clock)
        nginx = settings.sendfile == "x-accel"
        grace = HAND_OVER_GRACE if nginx else 0.0
        shelf = Shelf(settings.data_dir / "spool", budget=settings.cache_max_bytes, grace=grace, shared=nginx)
        _close_to_others(shelf)
        builds_due, events_due, pressure = asyncio.Event(), asyncio.Event(), Pressure()
        announcements = Announcements(repository, self.links, clock, events_due, predefined=secrets.receiver)
        node = None if settings.store_url is None else load_node(settings)
        node_id = None if node is None else node.id
        offloading, copied = None, None
        if bucket is not None:
            offloading = Offloading.of(repository.jobs, load_node(settings).id)
            copied = ArchiveObjects(bucket, repository.objects, vault, clock, self.memory)
        copies = CopyPlaces(shelf, copied)
        events = NotedEvents(
            *(repository, vault, shelf, announcements, pressure, builds_due), node=node_id, offloads=offloading
        )
        others: OtherNodes = NoOtherNodes()
        if node is not None:
            others = KnownNodes(repository.nodes, vault, clock, node=node.id)
        most_pulled = max(1, settings.max_archives // settings.workers)
        self.table = table = ArchiveTable(
            *(shelf, pulling, Reading(pool=self.pool, reaches=Reaches(Bound(parts=settings.lookahead)))),
            *(self.memory, events),
            limits=Limits(opened=shares.archives, pulled=min(shares.archives, most_pulled)),
        )
        self.loader = loader = Loader(repository, vault, pulling, events, probe_wait=settings.probe_wait)
        leases = Leases(loader, table, events, others)
        self.evictor = Evictor(shelf, copies, table, clock, pressure, events)
        removal = Removal(repository, loader, table, shelf, copies, clock)
        builds = Builds(repository, leases, table, shelf, copies, events, clock)
        self._among_others: list[Publisher | Follower] = []
        if node is not None:
            self._among_others = [
                Publisher(repository.nodes, vault, table, shelf, clock, node=node),
                Follower(repository.nodes, loader, table, shelf, removal, builds, node=node.id),
            ]
        statuses = Statuses(repository, loader, leases, table, shelf, copies, clock, others)
        owners = Owners(loader, secrets.keys)
        budget = Budget(repository, clock, _keeping(settings))
        creates = Creates(
            Kept(repository, UploadPins(self.uploads), shelf, secrets.keys, vault, budget, objects),
            Generations(repository, vault, secrets.keys, clock, budget, removal, pulling.registry),
            *(loader, builds, statuses, owners, announcements, events),
        )
        watches = Watches(
            *(statuses, repository.overview, loader, table, shelf, clock),
            most=settings.max_watchers,
            leaving=self.leaving,
        )
        downloads = Downloads(leases, table, shelf, copies, events)
        pages_due = asyncio.Event()
        queues = [builds_due, pages_due, events_due, *([] if offloading is None else [offloading.due])]
        oversight = Oversight(repository, statuses, removal, table, shelf, copies, clock, queues)
        self.gateway = Gateway(creates, downloads, builds, statuses, watches, removal, oversight)
        sessions = Sessions(secrets.api_keys, secrets.keys)
        public_url = settings.public_url
        self.auth = Auth(
            *(secrets.api_keys, signed, sessions, clock, owners, repository.ended_sessions),
            admins=secrets.admin_keys,
            public_url=public_url,
        )
        self._layers = dropins.layers(settings, dropins.Ways(http, own, self._to_own, pace), repository.links, clock)
        # The operator's own receiver may have a private address; no URL of a client gets that exemption.
        self.to_receiver = direct(settings, settings.allow_hosts | secrets.receivers, trust)
        slots = settings.job_slots
        prefetches = Prefetches(repository, builds, clock, events=events, slots=slots)
        deliveries = Webhooks(
            repository,
            Courier(self.transport, self.to_receiver, secrets.webhooks, secrets.keys, clock).deliver,
            clock,
            jitter=spread(0.2),
        )
        self.webpages = WebpageDownloads(
            repository,
            PageSource(http, settings.page_images, settings.exempt),
            partial(_create_for_page, creates, settings),
            clock,
            budget,
            changed=pages_due,
            slots=slots,
            jitter=spread(0.2),
        )
        lock, patience = settings.data_dir / "jobs.lock", settings.job_patience
        of_bucket: tuple[Work, ...] = ()
        bucket_sweep = None
        if bucket is not None and offloading is not None:
            puts = Offloader(bucket, repository, leases, shelf, vault, _told)
            of_bucket = (Work(Offloads(offloading, puts, clock), offloads.AT_ONCE, offloads.TURN, offloading.due),)
            bucket_sweep = BucketSweep(offloading, puts, clock)
        self.works = (
            *of_bucket,
            Work(prefetches, slots, prefetch.TURN, builds_due, TurnLimit(prefetches, clock, patience)),
            Work(self.webpages, slots, webpages.TURN, pages_due, TurnLimit(self.webpages, clock, patience)),
            Work(deliveries, webhooks.AT_ONCE, webhooks.TURN, events_due),
        )
        self.dispatcher: Dispatcher = Elsewhere()
        if settings.jobs == "embedded":
            self.dispatcher = Embedded(self.works, clock, lock, look_every=ALONE_LOOKS_EVERY if alone else 1.0)
        self._scrub = Scrub(
            *(repository, vault, shelf, removal, builds),
            per_day=settings.scrub_daily_bytes,
            notes=settings.data_dir / "scrub",
            leader=LockFile(lock),
        )
        self.sweep = Sweep(
            repository,
            shelf,
            self.uploads,
            clock,
            leader=LockFile(lock),
            removal=removal,
            evictor=self.evictor,
            bucket=bucket_sweep,
        )

    async def work(self) -> None:
        """Do what survives restarts, until cancelled."""
        if self.secrets.receiver is not None:  # starting with one that wanted no more is asking for it anew
            await self.repository.deliveries.accept_again(self.secrets.receiver)
        running = (self.dispatcher, self.sweep, self._scrub, self.evictor, *self._among_others)
        await asyncio.gather(self.uploads.sweep(), *(each.run() for each in running))

    def application(self) -> ASGIApp:
        """Return the HTTP interface."""
        settings, gateway, clock = self.settings, self.gateway, self.clock
        links, downloads = Links(self.links), Served(gateway, settings, clock)
        entries = Rate(settings.entries_per_minute, clock, "entries")
        features = (
            UploadDoor(self.uploads, gateway, settings, links, self.auth, clock),
            Folders(settings, clock, self.disk),
            Webpages(self.webpages, gateway, downloads, links, settings, entries),
        )
        return build(
            *(gateway, settings, links, self.auth, clock),
            downloads=downloads,
            entries=entries,
            pages=self.webpages,
            features=features,
            leaving=self.leaving,
            layers=self._layers,
        )

    async def close(self) -> None:
        """Close what is open: what is being finished is waited for."""
        await self.loader.close()
        await self.table.close()
        await self.transport.aclose()
        await self.to_receiver.aclose()
        await self._to_own.aclose()
        await self._to_buckets.aclose()
        await self.repository.close()
        self.pool.shutdown()
        self.disk.shutdown()


def _told(filename: str, container: Format) -> Told:
    return Told(MEDIA_TYPES[container], attachment(filename))


def _keeping(settings: Settings) -> Keeping:
    return Keeping(
        archives=settings.kept_archives,
        bytes=settings.kept_bytes,
        key_archives=settings.kept_archives_per_key,
        key_bytes=settings.kept_bytes_per_key,
        unread=settings.unread_ttl or None,
    )


def _close_to_others(shelf: Shelf) -> None:
    try:
        shelf.shut_out()
    except OSError as error:
        event(logger, logging.WARNING, "spool_open_to_others", folder=str(shelf.root), error=error.strerror)


async def _create_for_page(creates: Creates, settings: Settings, asked: CreateRequest) -> str:
    created = await creates.create(asked, prefetch=True, lifetime=settings.default_ttl)
    return created.row.hash


async def made(settings: Settings, shares: Shares, *, alone: bool) -> Parts:
    """Open the store and make every part over it. `alone`: no other process uses the data folder. Raises SetupError."""
    secrets = Secrets(settings)
    repository = await open_store(settings, secrets)
    try:
        return Parts(settings, secrets, repository, shares, alone=alone)
    except BaseException:
        await repository.close()
        raise
