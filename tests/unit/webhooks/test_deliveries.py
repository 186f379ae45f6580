"""Deliveries under a clock that the test turns: what is tried again, when, and what ends it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from streamzip.files.locks import LockFile
from streamzip.jobs.queue import Post, Queue
from streamzip.store.repository import Repository
from streamzip.store.rows import DeliveryRow, Event
from streamzip.webhooks.courier import Outcome
from streamzip.webhooks.deliveries import AT_ONCE, AT_ONCE_TO_ONE, ATTEMPTS, TURN, Webhooks
from tests.unit.jobs.running import Clock, Running, eventually
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32
HOOK = "https://hooks.example/a"


class Bench:
    """The deliveries over a real store, their attempts answered by `answer`."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository = repository
        self.clock = Clock()
        self.attempts: list[tuple[float, str]] = []
        self.answer: Callable[[DeliveryRow], Outcome] = lambda row: Outcome("delivered", "http_200")
        self.hold: asyncio.Event | None = None
        self.held = ""
        self.begun = asyncio.Event()
        self.folder = folder
        self.under_way = 0
        self.most_under_way = 0

    async def deliver(self, row: DeliveryRow) -> Outcome:
        self.attempts.append((self.clock.now, row.id))
        self.begun.set()
        if self.hold is not None and self.held in row.url:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            await self.hold.wait()
            self.under_way -= 1
        return self.answer(row)

    def webhooks(self) -> Queue[DeliveryRow]:
        kind = Webhooks(self.repository, self.deliver, self.clock, jitter=lambda: 1.0)
        post = Post(LockFile(self.folder / "jobs.lock"), TURN, asyncio.Event(), 0.01)
        return Queue(kind, post, self.clock, at_once=AT_ONCE)

    async def queue(self, url: str = HOOK, type: str = "archive.completed") -> None:
        await self.repository.deliveries.tell(HASH, url, Event(type, self.clock.now, b"{}", None))

    async def states(self) -> list[tuple[str, str | None, int]]:
        return [(row.state, row.outcome, row.attempts) for row in await self.repository.deliveries.of(HASH)]

    async def is_crowded(self) -> bool:
        return self.under_way >= AT_ONCE // 2

    async def until(self, *expected: tuple[str, str | None, int]) -> None:
        """Wait until the deliveries are in these states, the oldest first."""

        async def so() -> bool:
            return await self.states() == list(expected)

        await eventually(so)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    repository = await Repository.open(tmp_path / "streamzip.db")
    await repository.create(an_archive(HASH), sealed())
    yield Bench(repository, tmp_path)
    await repository.close()


async def test_delivery_ends_when_it_is_acknowledged(bench: Bench) -> None:
    """One attempt, and no other."""
    await bench.queue()
    async with Running(bench.webhooks()):
        await bench.until(("delivered", "http_200", 1))
    assert len(bench.attempts) == 1


async def test_delivery_is_tried_for_a_day_when_the_receiver_is_away(bench: Bench) -> None:
    """The waits double from two seconds to two hours, under one id; then it is given up, and shows why."""
    bench.answer = lambda row: Outcome("again", "unreachable")
    await bench.queue()
    async with Running(bench.webhooks()):
        for attempt in range(1, ATTEMPTS):
            await bench.until(("queued", "unreachable", attempt))
            (row,) = await bench.repository.deliveries.of(HASH)
            bench.clock.now = row.not_before
        await bench.until(("failed", "unreachable", ATTEMPTS))
    times = [at for at, _ in bench.attempts]
    waits = [after - before for before, after in pairwise(times)]
    assert waits[:4] == [2.0, 4.0, 8.0, 16.0]
    assert waits[-1] == 7200.0
    assert times[-1] - times[0] > 24 * 3600
    assert len({id for _, id in bench.attempts}) == 1


async def test_delivery_waits_as_long_as_the_receiver_asked(bench: Bench) -> None:
    """Retry-After is a lower bound."""
    bench.answer = lambda row: Outcome("again", "http_429", retry_after=10_000.0)
    await bench.queue()
    async with Running(bench.webhooks()):
        await bench.until(("queued", "http_429", 1))
    (row,) = await bench.repository.deliveries.of(HASH)
    assert row.not_before == 11_000.0


async def test_delivery_is_not_made_before_its_time(bench: Bench) -> None:
    """What was put off waits, also across a restart."""
    bench.answer = lambda row: Outcome("again", "http_503", retry_after=100.0)
    await bench.queue()
    async with Running(bench.webhooks()):
        await bench.until(("queued", "http_503", 1))
    bench.answer = lambda row: Outcome("delivered", "http_200")
    bench.clock.now += 99.0
    async with Running(bench.webhooks()):
        await bench.queue("https://another.example/")
        await bench.until(("queued", "http_503", 1), ("delivered", "http_200", 1))
        bench.clock.now += 1.0
        await bench.until(("delivered", "http_200", 2), ("delivered", "http_200", 1))


async def test_delivery_ends_for_all_when_the_receiver_is_gone(bench: Bench) -> None:
    """410: nothing more is sent there, neither what waits nor what comes."""
    bench.answer = lambda row: Outcome("again", "http_503", retry_after=50.0)
    await bench.queue()
    async with Running(bench.webhooks()):
        await bench.until(("queued", "http_503", 1))
        bench.answer = lambda row: Outcome("gone", "http_410")
        bench.clock.now += 1.0
        await bench.queue(type="archive.failed")
        await bench.until(("gone", "http_503", 1), ("gone", "http_410", 1))
    assert len(bench.attempts) == 2


async def test_delivery_is_not_repeated_when_its_address_is_blocked(bench: Bench) -> None:
    """The guard's refusal is final."""
    bench.answer = lambda row: Outcome("refused", "blocked_address")
    await bench.queue()
    async with Running(bench.webhooks()):
        await bench.until(("failed", "blocked_address", 1))


async def test_slow_receiver_delays_nobody_else(bench: Bench) -> None:
    """It has its few connections; the others' deliveries pass by."""
    bench.hold, bench.held = asyncio.Event(), "slow"
    for number in range(100):
        await bench.queue(f"https://slow.example/{number}")
    await bench.queue()
    async with Running(bench.webhooks()):

        async def one_is() -> bool:
            return ("delivered", "http_200", 1) in await bench.states()

        await eventually(one_is)
        bench.hold.set()
        await bench.until(*[("delivered", "http_200", 1)] * 101)
    assert bench.most_under_way == AT_ONCE_TO_ONE


async def test_operators_receiver_waits_for_no_client(bench: Bench) -> None:
    """However many receivers of clients hang, on however many hosts, and at the operator's own host too."""
    bench.hold, bench.held = asyncio.Event(), "slow"
    for number in range(AT_ONCE):
        await bench.queue(f"https://slow{number}.example/")
        await bench.queue("https://hooks.example/slow")
    async with Running(bench.webhooks()):
        await eventually(bench.is_crowded)
        told = Event("archive.completed", bench.clock.now, b"{}", HOOK)
        await bench.repository.deliveries.tell(HASH, HOOK, told)

        async def is_told() -> bool:
            return ("delivered", "http_200", 1) in await bench.states()

        await eventually(is_told)
    assert bench.most_under_way == AT_ONCE - AT_ONCE_TO_ONE


async def test_new_deliveries_wait_for_none_that_failed_before(bench: Bench) -> None:
    """Those that are tried again take no more than half of the slots."""
    bench.answer = lambda row: Outcome("again", "timed_out")
    for number in range(AT_ONCE):
        await bench.queue(f"https://slow{number}.example/")
    async with Running(bench.webhooks()):
        await bench.until(*[("queued", "timed_out", 1)] * AT_ONCE)
    bench.hold, bench.held = asyncio.Event(), "slow"
    bench.answer = lambda row: Outcome("delivered", "http_200")
    bench.clock.now += 10.0
    async with Running(bench.webhooks()):
        await eventually(bench.is_crowded)
        await bench.queue()

        async def is_told() -> bool:
            return ("delivered", "http_200", 1) in await bench.states()

        await eventually(is_told)
    assert bench.most_under_way == AT_ONCE // 2


async def test_delivery_is_made_anew_when_its_attempt_was_cut_off(bench: Bench) -> None:
    """At least once: what a process had in hand when it ended goes out again, under the same id."""
    bench.hold = asyncio.Event()
    await bench.queue()
    async with Running(bench.webhooks()):
        await asyncio.wait_for(bench.begun.wait(), 10)
    assert await bench.states() == [("queued", None, 0)]
    bench.hold = None
    async with Running(bench.webhooks()):
        await bench.until(("delivered", "http_200", 1))
    assert len({id for _, id in bench.attempts}) == 1
    assert len(bench.attempts) == 2


async def test_deliveries_rest_when_another_process_makes_them(bench: Bench) -> None:
    """Of several processes one delivers."""
    other = LockFile(bench.folder / "jobs.lock")
    assert other.try_exclusive(TURN)
    await bench.queue()
    async with Running(bench.webhooks()):
        for _ in range(50):
            await asyncio.sleep(0)
        assert bench.attempts == []
    other.close()


async def test_unexpected_failure_is_an_attempt_that_failed(bench: Bench) -> None:
    """A mistake of ours is logged and tried again; it stops no other delivery."""

    def fail(row: DeliveryRow) -> Outcome:
        raise RuntimeError

    bench.answer = fail
    await bench.queue()
    async with Running(bench.webhooks()):
        await bench.until(("queued", "internal", 1))
