"""Queued work under each dispatcher: as many of them on one store as a test wants."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from streamzip.archives.build import Progress
from streamzip.archives.events import RecordedEvents
from streamzip.jobs.embedded import Embedded
from streamzip.jobs.port import Dispatcher, Work
from streamzip.jobs.prefetch import TURN, Prefetches
from streamzip.jobs.turn_limit import TurnLimit
from streamzip.store.dialects import dialect_of
from streamzip.store.repository import Repository
from streamzip.store.wakes import NoWakes, Wakes
from tests.support import postgresql
from tests.unit.store.builders import an_archive, sealed

WITHIN = 5.0  # seconds that a test waits, at most


@dataclass
class World:
    """One store and the dispatchers of its work, which is prefetches: `fill` makes one, as the test says."""

    folder: Path
    url: str | None
    begun: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    _opened: list[Repository] = field(default_factory=list)

    async def open(self, *, woken: bool = True) -> Repository:
        """Open the store once more; `woken`: what is queued through it wakes whoever works."""
        wakes: Wakes = NoWakes()
        if self.url is not None and woken:
            from streamzip.store.engine import ProcrastinateWakes

            wakes = ProcrastinateWakes()
        repository = await Repository.connect(dialect_of(self.url, self.folder), wakes=wakes)
        self._opened.append(repository)
        return repository

    async def close(self) -> None:
        for repository in self._opened:
            await repository.close()

    async def fill(self, archive_hash: str, progress: Progress) -> None:
        """Stand for a build."""
        self.begun[archive_hash] += 1
        if archive_hash in self.answers:
            await self.answers[archive_hash]()
        self.ended[archive_hash] += 1

    def dispatcher(self, repository: Repository, *, slots: int = 4, patience: float = 60.0) -> Dispatcher:
        """Return another dispatcher, as of another process."""
        kind = Prefetches(repository, self, repository.clock, events=RecordedEvents(), slots=slots)
        work = Work(kind, slots, TURN, asyncio.Event(), TurnLimit(kind, repository.clock, patience))
        if self.url is None:
            return Embedded([work], repository.clock, self.folder / "jobs.lock", look_every=0.05)
        from streamzip.jobs.on_procrastinate import OnProcrastinate
        from streamzip.store.dialects.postgresql import Postgresql

        return OnProcrastinate([work], repository.clock, Postgresql(self.url).parameters)

    @contextlib.asynccontextmanager
    async def running(self, repository: Repository, **options: float) -> AsyncIterator[Dispatcher]:
        """Run a dispatcher for as long as the context lasts."""
        dispatcher = self.dispatcher(repository, **options)  # type: ignore[arg-type]
        task = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            if not task.done():
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task  # one that ended by itself says why

    async def queue(self, repository: Repository, hash: str) -> None:
        """Have an archive of that hash built."""
        await repository.create(an_archive(hash, created_at=repository.clock.wall()), sealed(), build=True)

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(WITHIN):
            while not so():  # noqa: ASYNC110 - what another task does tells nobody
                await asyncio.sleep(0.01)

    async def until_done(self, repository: Repository, *hashes: str) -> None:
        """Wait until nothing is left to be done for these archives."""
        async with asyncio.timeout(WITHIN):
            for hash in hashes:
                while await repository.jobs.last(hash) is not None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


@pytest.fixture(params=["embedded", pytest.param("procrastinate", marks=pytest.mark.needs("postgresql"))])
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A new store, and no pause worth waiting for."""
    url = None
    if request.param == "procrastinate":
        from streamzip.jobs import on_procrastinate

        url = postgresql.shared().fresh_url()
        for name in ("LOOK_EVERY", "POLL_EVERY", "ENDS_WITHIN"):
            monkeypatch.setattr(on_procrastinate, name, 0.1)
    world = World(tmp_path, url)
    yield world
    await world.close()
