"""Archives of web pages' images: the page is fetched, its images become an archive that is built at once.

Each step can be made again: a page that was being read when its process died is read anew by whoever runs next, and the
same images give the same archive.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from streamzip.clock import Clock
from streamzip.errors import BuildFailed, NotFound, OriginError, Problem, UnusablePage
from streamzip.logs import event
from streamzip.manifest.addresses import Exempt
from streamzip.manifest.model import Entry, Manifest
from streamzip.manifest.names import clean_filename, name_from_url, unique_names
from streamzip.manifest.parse import CreateRequest
from streamzip.net.retry import LONGEST_RETRY_AFTER, Backoff
from streamzip.sources.apart import MOST_BYTES, images_of
from streamzip.sources.http import HttpSource
from streamzip.spool.locks import LockFile
from streamzip.store.repository import Repository
from streamzip.store.rows import WebpageRow
from streamzip.store.webpages import BUILT, FAILED

logger = logging.getLogger(__name__)

AT_ONCE = 4
WITHIN = 60.0  # seconds for a page; one that comes more slowly is as good as unreachable
ATTEMPTS, FIRST_WAIT, LONGEST_WAIT = 4, 0.5, 10.0  # somebody is waiting for the answer
TURN = 3  # the byte of the jobs' lock file that says which process reads pages

UNREACHABLE = "page_unreachable"
UNEXPECTED = "internal"

Create = Callable[[CreateRequest, str | None], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class PageSource:
    """Where pages come from. `most`: images of one page; `allow`: see `check_url`."""

    http: HttpSource
    most: int
    allow: Exempt

    async def manifest(self, url: str, owner: str | None) -> Manifest:
        """The images of the page, as they are to be packed. Raises OriginError, UnusablePage."""
        try:
            async with asyncio.timeout(WITHIN):
                page = await self.http.page(url, most=MOST_BYTES)
        except TimeoutError as error:
            raise OriginError("timed_out", f"the page did not come within {WITHIN:g} s", transient=True) from error
        try:
            images = await images_of(page, most=self.most, allow=self.allow)
        except OSError as error:  # no process or descriptor is left
            raise OriginError("unreachable", "the gateway has no means to read it now", transient=True) from error
        names = unique_names([name_from_url(image) for image in images.urls])
        entries = tuple(Entry(image, name) for image, name in zip(images.urls, names, strict=True))
        return Manifest(entries=entries, filename=clean_filename(urlsplit(page.url).hostname or ""), owner=owner)


class WebpageDownloads:
    """The pages whose images were asked for, and the work on them.

    `create` keeps an archive that is built at once, and returns its hash. Of several processes one works, as with
    prefetches.
    """

    def __init__(
        self,
        repository: Repository,
        source: PageSource,
        create: Create,
        clock: Clock,
        *,
        leader: LockFile,
        look_every: float,
        jitter: Callable[[], float],
    ) -> None:
        self._pages = repository.webpages
        self._source = source
        self._create = create
        self._clock = clock
        self._leader = leader
        self._look_every = look_every
        self._backoff = Backoff(ATTEMPTS, FIRST_WAIT, LONGEST_WAIT, jitter)
        self._changed = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}

    async def add(self, url: str, *, base: str, owner: str | None) -> str:
        """Have the page's images collected, across restarts; the download's id. `base`: see WebpageRow."""
        id, now = str(uuid.uuid4()), self._clock.wall()
        await self._pages.add(WebpageRow(id, url, created_at=now, not_before=now, base=base, owner=owner))
        self._changed.set()
        return id

    async def archive(self, id: str) -> str | None:
        """The hash of the images' archive; None while the page is being read. Raises NotFound, and why it failed."""
        row = await self._pages.get(id)
        if row is None:
            raise NotFound("no such download")
        if row.state == FAILED:
            kind = {UNREACHABLE: BuildFailed, UNEXPECTED: Problem}.get(row.code or "", UnusablePage)
            raise kind(row.detail or "", code=row.code)
        return row.hash if row.state == BUILT else None

    async def run(self) -> None:
        """Work until cancelled; what is under way then is made anew by whoever runs next."""
        try:
            while not self._leader.try_exclusive(TURN):  # noqa: ASYNC110 - the kernel tells nobody when a lock is free
                await asyncio.sleep(1.0)
            while True:
                self._changed.clear()
                try:
                    wait = await self._start_due()
                except Problem as problem:  # the store is full or locked: what is queued stays so
                    event(logger, logging.WARNING, "pages_wait", code=problem.code)
                    wait = problem.retry_after or 5.0
                await self._sleep(wait)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            self._leader.close()

    async def _start_due(self) -> float:
        """Begin what is due; the seconds until more is."""
        now = self._clock.wall()
        for row in await self._pages.due(now, longest=LONGEST_RETRY_AFTER, limit=AT_ONCE):
            if len(self._running) < AT_ONCE and row.id not in self._running:
                task = self._running[row.id] = asyncio.create_task(self._work(row))
                task.add_done_callback(partial(self._ended, row.id))
        due = await self._pages.next_due()
        # What is due and not begun waits for a place, and the end of a page wakes us. Bounded by `look_every`, so that
        # a clock set back by hand does not put a page off by as much.
        return self._look_every if due is None or due <= now else min(self._look_every, due - now)

    def _ended(self, id: str, _: "asyncio.Task[None]") -> None:
        del self._running[id]
        self._changed.set()

    async def _sleep(self, wait: float) -> None:
        # Not asyncio.wait_for: in Python 3.11 it loses a cancellation that comes in the same turn as the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._changed.wait()

    async def _work(self, row: WebpageRow) -> None:
        try:
            await self._read(row)
        except Problem as problem:  # the store's: nothing was noted, and the page is read anew
            event(logger, logging.WARNING, "page_not_noted", download=row.id, code=problem.code)
            await asyncio.sleep(problem.retry_after or 5.0)
        except Exception:
            logger.exception("reading a page failed unexpectedly", extra={"fields": {"download": row.id}})
            await self._pages.failed(row.id, code=UNEXPECTED, detail="An unexpected error; it has been logged")

    async def _read(self, row: WebpageRow) -> None:
        try:
            manifest = await self._source.manifest(row.url, row.owner)
        except OriginError as error:
            wait = self._backoff.delay(row.attempts + 1, error.retry_after) if error.transient else None
            event(logger, logging.INFO, "page_failed", download=row.id, code=error.code, again=wait is not None)
            if wait is None:
                detail = f"the page cannot be had: {error.message}"
                await self._pages.failed(row.id, code=UNREACHABLE, detail=detail)
            else:
                await self._pages.again(row.id, not_before=self._clock.wall() + wait)
        except UnusablePage as problem:
            event(logger, logging.INFO, "page_failed", download=row.id, code=problem.code, again=False)
            await self._pages.failed(row.id, code=problem.code, detail=problem.detail)
        else:
            hash = await self._create(CreateRequest(manifest, (), prefetch=True, plain=False), row.base)
            await self._pages.built(row.id, hash)
            event(logger, logging.INFO, "page_read", download=row.id, archive=hash, images=len(manifest.entries))
