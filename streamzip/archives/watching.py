"""Watching: archives' statuses as they change, each looked at once for all who watch it, and only when it changed.

Every second one query asks the store for the stamps of all watched archives, and the journals' sizes tell of other
processes' pulls. Where neither these nor this process's own bytes changed, nothing is looked at.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from streamzip.archives.load import Loader
from streamzip.archives.status import Asked, Look, Statuses
from streamzip.archives.table import ArchiveTable
from streamzip.clock import Clock
from streamzip.errors import NotFound, NotReady, Problem, TooMany
from streamzip.logs import event
from streamzip.origins.gate import Waiting
from streamzip.spool.shelf import Shelf
from streamzip.store.overview import Overview, Stamp

logger = logging.getLogger(__name__)

LOOK_EVERY: Final = 1.0  # seconds; another process may be the one that pulls
LOOKS_AT_ONCE: Final = 4
REMIND_EVERY: Final = 25.0  # seconds; proxies take a silent connection for a dead one, nginx after 60

FINAL: Final = frozenset({"completed", "failed"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An archive's status at one moment. `id` and `head`: see Look."""

    id: str
    head: bytes
    final: bool

    @classmethod
    def of(cls, look: Look) -> "Snapshot":
        """Make the snapshot of a look."""
        return cls(look.id, look.head, look.document["status"] in FINAL)


class _Marks(NamedTuple):
    """What changes whenever a status does."""

    stamp: Stamp | None
    is_due: bool
    journal: tuple[int, int] | None
    bytes_here: int
    is_full: bool
    is_read: bool
    waiting: tuple[Waiting, ...]  # for origins that throttle, where any is asked for the archive's sake


@dataclass(slots=True)
class Watched:
    """An archive that is watched. `ended`: nothing more will be told of it, because it is gone or the process ends.
    `elsewhere`: only another process works on it, and nothing here tells when that ends.
    """

    hash: str
    snapshot: Snapshot
    watchers: int = 0
    ended: bool = False
    elsewhere: bool = False
    marks: _Marks | None = None
    told_at: float = 0.0  # monotonic seconds, when all who watch were last woken
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def changed(self, since: Snapshot) -> bool:
        """Wait for another snapshot than `since`, or the end; False where only a reminder came."""
        if self.snapshot is since and not self.ended:
            await self._woken.wait()
        return self.snapshot is not since or self.ended

    def tell(self, snapshot: Snapshot | None, now: float) -> None:
        """Give the watchers a newer snapshot; None: there is nothing more to tell."""
        if snapshot is None:
            self.ended = True
        else:
            self.snapshot = snapshot
        self.remind(now)

    def remind(self, now: float) -> None:
        """Wake the watchers, so that their connections are not silent for long. One timer for all of them: one for
        each was a third of what idle watchers cost.
        """
        self.told_at = now
        self._woken.set()
        self._woken = asyncio.Event()


class Watches:
    """The archives that are watched in this process. `most`: watchers of one archive, and of one client, at once.

    `leaving` is set when the process is to end: what has no end of its own must not hold that up.
    """

    def __init__(
        self,
        statuses: Statuses,
        overview: Overview,
        loader: Loader,
        table: ArchiveTable,
        shelf: Shelf,
        clock: Clock,
        *,
        most: int,
        leaving: asyncio.Event,
    ) -> None:
        self._statuses = statuses
        self._overview = overview
        self._loader = loader
        self._table = table
        self._shelf = shelf
        self._clock = clock
        self._most = most
        self._leaving = leaving
        self._watched: dict[str, Watched] = {}
        self._clients: Counter[str] = Counter()
        self._looking: asyncio.Task[None] | None = None
        self._stamps: Mapping[str, Stamp] = {}
        self._stamped: list[str] = []  # the archives that they are of
        self._stamped_at: object = None  # the store's version
        self._turns = asyncio.Semaphore(LOOKS_AT_ONCE)

    @property
    def count(self) -> int:
        """Return how many watch."""
        return self._clients.total()

    async def first(self, hash: str) -> Snapshot:
        """Return the archive's snapshot now. Raises NotFound, Damaged."""
        watched = self._watched.get(hash)
        return Snapshot.of(await self._statuses.look(Asked(hash))) if watched is None else watched.snapshot

    def check(self, hash: str, client: str) -> None:
        """Raise TooMany where the archive, or the client, has as many watchers as it may."""
        watched = self._watched.get(hash)
        if self._clients[client] >= self._most or (watched is not None and watched.watchers >= self._most):
            raise TooMany(
                "this archive, or this client, has as many event streams as it may; ask for the status instead",
                code="too_many_watchers",
                retry_after=10,
            )

    @contextlib.contextmanager
    def watch(self, hash: str, client: str, first: Snapshot) -> Iterator[Watched]:
        """Watch the archive for as long as the context lasts. Raises TooMany."""
        self.check(hash, client)
        watched = self._watched.setdefault(hash, Watched(hash, first, told_at=self._clock.monotonic()))
        watched.watchers += 1
        self._clients[client] += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_on(), context=Context())  # not in the first one's request
        try:
            yield watched
        finally:
            watched.watchers -= 1
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
            if not watched.watchers:
                self._forget(watched)

    def _forget(self, watched: Watched) -> None:
        if self._watched.get(watched.hash) is watched:
            del self._watched[watched.hash]

    async def _look_on(self) -> None:
        """Look every second, until nobody watches any more."""
        while self._watched:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._leaving.wait()
            if self._leaving.is_set():
                for watched in self._watched.values():
                    watched.tell(None, self._clock.monotonic())
                break
            self._remind()
            try:
                await self._look_at_all()
            except Exception:
                logger.exception("watching archives failed unexpectedly")
        self._looking = None

    def _remind(self) -> None:
        now = self._clock.monotonic()
        for watched in self._watched.values():
            if now - watched.told_at >= REMIND_EVERY:
                watched.remind(now)

    async def _look_at_all(self) -> None:
        hashes = list(self._watched)
        try:
            stamps = await self._stamps_of(hashes)
            journals = await asyncio.to_thread(self._journals, hashes)
        except (Problem, OSError) as error:  # what is watched is told later
            event(logger, logging.WARNING, "watching_waits", error=str(error))
            return
        looks, throttling = [], self._loader.throttling()
        for hash in hashes:
            watched = self._watched.get(hash)
            if watched is None:
                continue
            marks = self._marks(watched, stamps.get(hash), journals[hash], throttling)
            if watched.elsewhere or watched.marks != marks:
                looks.append(self._look_at(watched, marks))
        await asyncio.gather(*looks)

    async def _stamps_of(self, hashes: list[str]) -> Mapping[str, Stamp]:
        """Return the archives' stamps. Nobody is asked where nothing was written to the store since they were."""
        version = self._overview.version()
        if version is None or (version, hashes) != (self._stamped_at, self._stamped):
            self._stamps = await self._overview.stamps(hashes)
            self._stamped_at, self._stamped = version, hashes
        return self._stamps

    def _marks(
        self,
        watched: Watched,
        stamp: Stamp | None,
        journal: tuple[int, int] | None,
        throttling: tuple[Waiting, ...],
    ) -> _Marks:
        assembly, now = self._table.peek(watched.hash), self._clock.wall()
        is_due = stamp is not None and stamp.job_due is not None and stamp.job_due <= now
        if stamp is not None and stamp.expires_at is not None and stamp.expires_at <= now:
            stamp = None
        if assembly is not None:
            bytes_here, is_full = assembly.ledger.extents.present, assembly.wants.disk_full
        else:  # closed, which changes nothing: a look would open it again
            before = watched.marks
            bytes_here, is_full = (0, False) if before is None else (before.bytes_here, before.is_full)
        is_read = self._table.reading(watched.hash)
        waiting = throttling if is_read or self._loader.is_planning(watched.hash) else ()
        return _Marks(stamp, is_due, journal, bytes_here, is_full, is_read, waiting)

    def _journals(self, hashes: Collection[str]) -> dict[str, tuple[int, int] | None]:
        """Return when each archive's journal was last written, and its size; for a thread."""
        return {hash: self._shelf.written(hash) for hash in hashes}

    async def _look_at(self, watched: Watched, marks: _Marks) -> None:
        try:
            async with self._turns:
                look = await self._statuses.look(Asked(watched.hash))
        except NotFound:  # deleted or expired; whoever asks again is told so
            self._end(watched)
        except NotReady:
            return  # the store's; the marks stay as they were, so that it is looked at again
        except (Problem, OSError) as error:
            event(logger, logging.WARNING, "watching_ended", archive=watched.hash, error=str(error))
            self._end(watched)
        else:
            snapshot = Snapshot.of(look)
            watched.marks, watched.elsewhere = marks, look.elsewhere
            if snapshot.id != watched.snapshot.id:
                watched.tell(snapshot, self._clock.monotonic())

    def _end(self, watched: Watched) -> None:
        watched.tell(None, self._clock.monotonic())
        self._forget(watched)
