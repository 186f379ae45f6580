"""Background builds over a real store, with fills that the test lets end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streamzip.archives.build import Progress
from streamzip.archives.events import RecordedEvents
from streamzip.errors import NotReady
from streamzip.files.locks import LockFile
from streamzip.jobs import queue
from streamzip.jobs.prefetch import TURN, Prefetches
from streamzip.jobs.queue import Post, Queue
from streamzip.store.jobs import Jobs
from streamzip.store.repository import Repository
from streamzip.store.rows import JobRow
from tests.unit.jobs.running import Clock, Running, eventually
from tests.unit.store.builders import an_archive, sealed

SLOW, QUICK = "a" * 32, "b" * 32


class Bench:
    """The builds of two archives; that of SLOW lasts until it is ended."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.jobs = repository.jobs
        self.clock = Clock()
        self.begun: list[str] = []
        self.ended: list[str] = []
        kind = Prefetches(repository, self, self.clock, events=RecordedEvents(), slots=4)
        post = Post(LockFile(folder / "jobs.lock"), TURN, asyncio.Event(), 60.0)
        self.prefetches = Queue(kind, post, self.clock, at_once=4)

    async def fill(self, hash: str, progress: Progress) -> None:
        self.begun.append(hash)
        try:
            if hash == SLOW:
                await asyncio.Event().wait()
        finally:
            self.ended.append(hash)

    async def queue(self, hash: str) -> None:
        await self.jobs.add(hash, now=self.clock.now)
        self.prefetches.wake()

    async def has_begun(self) -> bool:
        return bool(self.begun)

    async def has_ended(self) -> bool:
        return bool(self.ended)

    async def is_empty(self) -> bool:
        return await self.jobs.next_due() is None


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    repository = await Repository.open(tmp_path / "streamzip.db")
    for hash in (SLOW, QUICK):
        await repository.create(an_archive(hash), sealed())
    yield Bench(repository, tmp_path)
    await repository.close()


async def test_prefetch_is_ended_when_it_was_cancelled(bench: Bench) -> None:
    """The build stops, and is not begun again."""
    await bench.queue(SLOW)
    async with Running(bench.prefetches):
        await eventually(bench.has_begun)
        await bench.jobs.cancel(SLOW)
        bench.prefetches.wake()
        await eventually(bench.has_ended)
        await bench.queue(QUICK)
        await eventually(bench.is_empty)
    assert bench.begun == [SLOW, QUICK]


async def test_prefetch_stays_queued_when_its_process_ends(bench: Bench) -> None:
    """The build is ended with the queue, and no attempt is counted."""
    await bench.queue(SLOW)
    async with Running(bench.prefetches):
        await eventually(bench.has_begun)
    assert bench.ended == [SLOW]
    job = await bench.jobs.pending(SLOW)
    assert job is not None
    assert job.attempts == 0


async def test_prefetch_is_made_when_the_store_could_not_be_read_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failure of the store had ended all background builds until the next start."""
    failures = [NotReady("The store cannot be used now.", code="store_unavailable")]
    due = Jobs.due

    async def failing_once(jobs: Jobs, now: float, **bounds: Any) -> list[JobRow]:
        if failures:
            raise failures.pop()
        return await due(jobs, now, **bounds)

    monkeypatch.setattr(Jobs, "due", failing_once)
    monkeypatch.setattr(queue, "PAUSE", 0.01)
    async with Running(bench.prefetches):
        await bench.queue(QUICK)
        await eventually(bench.is_empty)
    assert bench.ended == [QUICK]


async def test_prefetch_is_made_when_the_clock_was_set_back(bench: Bench) -> None:
    """Queued in a day, as it seems now: it is due all the same."""
    await bench.queue(QUICK)
    bench.clock.now -= 86_400.0
    async with Running(bench.prefetches):
        await eventually(bench.is_empty)
