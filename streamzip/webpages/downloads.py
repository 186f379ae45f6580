"""Archives of web pages' images: the page is fetched, its images become an archive that is built at once.

Each step can be made again: a page that was being read when its process died is read anew by whoever runs next, and the
same images give the same archive.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from streamzip.archives.budget import FULL, Budget
from streamzip.clock import Clock
from streamzip.errors import BuildFailed, Damaged, NoRoom, NotFound, OriginError, Problem, UnusablePage
from streamzip.jobs.kinds import after_yielding
from streamzip.jobs.queue import PAUSE
from streamzip.jobs.stored import SharedKind
from streamzip.jobs.turns import Turn
from streamzip.logs import event
from streamzip.manifest.fields import Fields
from streamzip.manifest.model import Entry, Manifest
from streamzip.manifest.names import clean_filename, name_from_url, unique_names
from streamzip.manifest.parse import CreateRequest
from streamzip.net.retry import LONGEST_RETRY_AFTER
from streamzip.origins.http import HttpSource
from streamzip.retry import Backoff
from streamzip.store.queues import PAGES, QUEUED, SLOW
from streamzip.store.repository import Repository
from streamzip.store.rows import WebpageRow
from streamzip.store.webpages import BUILT, FAILED
from streamzip.urls.addresses import Exempt
from streamzip.urls.urls import origin_of
from streamzip.webpages.apart import MOST_BYTES, images_of
from streamzip.webpages.images import referer

logger = logging.getLogger(__name__)

PARSED_AT_ONCE = 2  # pages in one process: each parser may take 1 GiB and a processor
WITHIN = 60.0  # seconds for a page; one that comes more slowly is as good as unreachable
ATTEMPTS, FIRST_WAIT, LONGEST_WAIT = 4, 0.5, 10.0  # somebody is waiting for the answer
TURNS = 8  # that a page may have in vain while others wait for its slot
TURN = 3  # the byte of the jobs' lock file that says which process reads pages

UNREACHABLE = "page_unreachable"
UNEXPECTED = "internal"

# What a page's failure is told as; any other code is the page's own fault.
_KINDS: Final = {UNREACHABLE: BuildFailed, UNEXPECTED: Problem, Damaged.code: Damaged, FULL: NoRoom}

Create = Callable[[CreateRequest], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class PageSource:
    """Where pages come from. `most`: images of one page; `allow`: see `check_url`."""

    http: HttpSource
    most: int
    allow: Exempt
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARSED_AT_ONCE))

    async def manifest(self, url: str, owner: str | None) -> Manifest:
        """Return the images of the page, as they are to be packed. Raises OriginError, UnusablePage."""
        try:
            async with asyncio.timeout(WITHIN):
                page = await self.http.page(url, most=MOST_BYTES)
        except TimeoutError as error:
            raise OriginError("timed_out", f"the page did not come within {WITHIN:g} s", transient=True) from error
        try:
            async with self.turns:
                images = await images_of(page, most=self.most, allow=self.allow)
        except OSError as error:  # no process or descriptor is left
            raise OriginError("unreachable", "the gateway has no means to read it now", transient=True) from error
        names = unique_names([name_from_url(image) for image in images.urls])
        entries = tuple(
            Entry(image, name, headers=_fields(page.url, image), named=False)
            for image, name in zip(images.urls, names, strict=True)
        )
        return Manifest(entries=entries, filename=clean_filename(urlsplit(page.url).hostname or ""), owner=owner)


def _fields(page: str, image: str) -> Fields:
    """Return the header fields of an image: hosts that refuse other sites' pages look at the Referer."""
    told = referer(page, image)
    return () if told is None else (("Referer", told),)


class WebpageDownloads(SharedKind[WebpageRow]):
    """The kind of the pages whose images were asked for, and the work on them. `slots`: pages at a time.

    `create` keeps an archive that is built at once, and returns its hash. `changed` is set as one is added.
    """

    name = PAGES

    def __init__(
        self,
        repository: Repository,
        source: PageSource,
        create: Create,
        clock: Clock,
        budget: Budget,
        *,
        changed: asyncio.Event,
        slots: int,
        jitter: Callable[[], float],
    ) -> None:
        super().__init__(repository.webpages, longest=LONGEST_RETRY_AFTER, slots=slots)
        self._clock = clock
        self._pages = repository.webpages
        self._budget = budget
        self._source = source
        self._create = create
        self._changed = changed
        self._backoff = Backoff(ATTEMPTS, FIRST_WAIT, LONGEST_WAIT, jitter)

    async def add(self, url: str, *, owner: str | None) -> str:
        """Have the page's images collected, across restarts; the download's id. Raises NoRoom."""
        await self._budget.take(owner, len(url))
        id, now = str(uuid.uuid4()), self._clock.wall()
        row = WebpageRow(id, url, created_at=now, not_before=now, owner=owner, origin=origin_of(url))
        await self._pages.add(row)
        self._changed.set()
        return id

    async def archive(self, id: str) -> str | None:
        """Return the hash of the images' archive; None while the page is being read. Raises NotFound, and why it
        failed.
        """
        row = await self._row(id)
        if row.state == FAILED:
            raise _KINDS.get(row.code or "", UnusablePage)(row.detail or "", code=row.code)
        return row.hash if row.state == BUILT else None

    async def reason(self, id: str) -> str | None:
        """Return why the page waits; None where it is being read. Raises NotFound."""
        row = await self._row(id)
        return row.reason if row.state == QUEUED else None

    async def _row(self, id: str) -> WebpageRow:
        row = await self._pages.get(id)
        if row is None:
            raise NotFound("no such download")
        return row

    async def yielded(self, turn: Turn[WebpageRow]) -> None:
        """See Yielding: a page that had many turns in vain is as good as unreachable."""
        row = turn.row
        if row.waits + 1 >= TURNS:
            await self._failed(row, OriginError("timed_out", "the page did not come while others waited"))
            return
        rest = after_yielding(row.waits)
        event(logger, logging.INFO, "page_put_off", download=row.id, reason=SLOW, wait=rest)
        await self._pages.put_off(row, not_before=self._clock.wall() + rest, reason=SLOW)

    async def work(self, turn: Turn[WebpageRow]) -> None:
        """See Kind."""
        row = turn.row
        try:
            if row.reason is not None:
                await self._pages.begun(row)
            await self._read(row)
        except Problem as problem:  # the store's: nothing was noted, and the page is read anew
            event(logger, logging.WARNING, "page_not_noted", download=row.id, code=problem.code)
            await asyncio.sleep(problem.retry_after or PAUSE)
        except Exception:
            logger.exception("reading a page failed unexpectedly", extra={"fields": {"download": row.id}})
            await self._pages.failed(row, code=UNEXPECTED, detail="An unexpected error; it has been logged")

    async def _read(self, row: WebpageRow) -> None:
        try:
            manifest = await self._source.manifest(row.url, row.owner)
            hash = await self._create(CreateRequest(manifest, (), prefetch=True, plain=False))
        except OriginError as error:
            await self._failed(row, error)
        except (UnusablePage, NoRoom) as problem:
            event(logger, logging.INFO, "page_failed", download=row.id, code=problem.code, again=False)
            await self._pages.failed(row, code=problem.code, detail=problem.detail)
        else:
            await self._pages.built(row, hash)
            event(logger, logging.INFO, "page_read", download=row.id, archive=hash, images=len(manifest.entries))

    async def _failed(self, row: WebpageRow, error: OriginError) -> None:
        wait = self._backoff.delay(row.attempts + 1, error.retry_after) if error.transient else None
        event(logger, logging.INFO, "page_failed", download=row.id, code=error.code, again=wait is not None)
        if wait is None:
            detail = f"the page cannot be had: {error.message}"
            await self._pages.failed(row, code=UNREACHABLE, detail=detail)
        else:
            await self._pages.again(row, not_before=self._clock.wall() + wait, reason=error.code)
