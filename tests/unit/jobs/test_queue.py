"""How a queue is worked on, whatever it is of: the rows here are in memory, and each is due at its time."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from streamzip.errors import NotReady
from streamzip.files.locks import LockFile
from streamzip.jobs import queue
from streamzip.jobs.queue import Queue
from tests.unit.files.test_locks import held_elsewhere
from tests.unit.jobs.running import Clock, Running, eventually

TURN = 3
RARELY = 60.0  # seconds: more than a test takes


@dataclass(frozen=True)
class Row:
    """What is to be done, not before a time."""

    name: str
    not_before: float = 0.0


class Rows(Queue[Row]):
    """Rows that leave the queue when `answer` returns; `begun` has the name of each whose work was begun."""

    def __init__(self, folder: Path, clock: Clock, *names: str, at_once: int = 2, look_every: float = RARELY) -> None:
        lock, changed = LockFile(folder / "jobs.lock"), asyncio.Event()
        super().__init__(clock, lock, turn=TURN, at_once=at_once, look_every=look_every, changed=changed)
        self.queued = [Row(name) for name in names]
        self.begun: list[str] = []
        self.waits: list[str] = []
        self.looks = 0
        self.look: Callable[[], None] = lambda: None
        self.answer: Callable[[Row], None] = lambda row: None
        self.held: dict[str, asyncio.Event] = {}

    def hold(self, name: str) -> asyncio.Event:
        """Let the work on it last until the event is set."""
        return self.held.setdefault(name, asyncio.Event())

    async def until(self, so: Callable[[], bool]) -> None:
        async def is_so() -> bool:
            return so()

        await eventually(is_so)

    async def rest(self) -> None:
        """Wait until it has looked, and waits for what comes next."""
        await self.until(lambda: self.looks > 0)
        for _ in range(50):
            await asyncio.sleep(0)

    async def _due(self, now: float, running: Sequence[Row], room: int) -> list[Row]:
        self.looks += 1
        self.look()
        return [row for row in self.queued if row.not_before <= now and row not in running][:room]

    async def _next_due(self, running: Sequence[Row]) -> float | None:
        return min((row.not_before for row in self.queued if row not in running), default=None)

    async def _work(self, row: Row) -> None:
        self.begun.append(row.name)
        if row.name in self.held:
            await self.held[row.name].wait()
        self.answer(row)
        self.queued.remove(row)

    def _log_wait(self, code: str) -> None:
        self.waits.append(code)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses after a failure that are not worth waiting for."""
    monkeypatch.setattr(queue, "PAUSE", 0.01)


async def test_queue_works_on_so_many_rows_at_once(tmp_path: Path, clock: Clock) -> None:
    """The others wait for a place, and the end of one gives it to the next."""
    rows = Rows(tmp_path, clock, "a", "b", "c")
    for name in "ab":
        rows.hold(name)
    async with Running(rows):
        await rows.rest()
        assert (rows.begun, rows.looks) == (["a", "b"], 1)
        rows.held["b"].set()
        await rows.until(lambda: rows.queued == [Row("a")])
    assert rows.begun == ["a", "b", "c"]


async def test_queue_begins_at_once_when_it_is_woken(tmp_path: Path, clock: Clock) -> None:
    """Whoever queues something need not wait for the next look."""
    rows = Rows(tmp_path, clock)
    async with Running(rows):
        await rows.rest()
        rows.queued.append(Row("a"))
        rows.wake()
        await rows.until(lambda: rows.begun == ["a"])


async def test_queue_finds_what_another_process_queued(tmp_path: Path, clock: Clock) -> None:
    """Nobody wakes it; it looks now and then."""
    rows = Rows(tmp_path, clock, look_every=0.01)
    async with Running(rows):
        await rows.rest()
        rows.queued.append(Row("a"))
        await rows.until(lambda: rows.begun == ["a"])


async def test_queue_begins_a_row_at_its_time_when_another_is_under_way(tmp_path: Path, clock: Clock) -> None:
    """What was put off for a moment does not wait for the end of the other, nor for the next look."""
    rows = Rows(tmp_path, clock, "slow")
    rows.hold("slow")
    rows.queued.append(Row("later", clock.now + 0.05))
    async with Running(rows):
        await rows.until(lambda: rows.begun == ["slow"])
        clock.now += 0.05
        await rows.until(lambda: rows.begun == ["slow", "later"])


async def test_queue_looks_in_time_when_the_clock_was_set_back(tmp_path: Path, clock: Clock) -> None:
    """A row that seems to be due in a day is looked for all the same: the clock may be set right."""
    rows = Rows(tmp_path, clock, look_every=0.01)
    clock.now -= 86_400.0
    rows.queued.append(Row("a", 1000.0))
    async with Running(rows):
        await rows.rest()
        assert rows.begun == []
        clock.now = 1000.0
        await rows.until(lambda: rows.begun == ["a"])


@pytest.mark.usefixtures("impatient")
async def test_queue_goes_on_when_work_fails_unexpectedly(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, ends no other work, stays queued, and is tried again."""
    rows = Rows(tmp_path, clock, "bad", "good", at_once=1)

    def fail_once(row: Row) -> None:
        if rows.begun == ["bad"]:
            raise RuntimeError("a mistake of ours")

    rows.answer = fail_once
    async with Running(rows):
        await rows.until(lambda: not rows.queued)
    assert rows.begun == ["bad", "bad", "good"]
    assert [record.name for record in caplog.records] == [queue.__name__]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("failure", "waits", "logged"),
    [(NotReady("", code="store_unavailable"), ["store_unavailable"], 0), (RuntimeError("a mistake of ours"), [], 1)],
    ids=["store", "unexpected"],
)
async def test_queue_goes_on_when_the_store_could_not_be_read(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, failure: Exception, waits: list[str], logged: int
) -> None:
    """What is queued stays so, and is done after a pause."""
    rows = Rows(tmp_path, clock, "a")
    failures = [failure]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    rows.look = fail_once
    async with Running(rows):
        await rows.until(lambda: not rows.queued)
    assert (rows.begun, rows.waits, len(caplog.records)) == (["a"], waits, logged)


async def test_queue_ends_what_is_under_way_when_it_is_cancelled(tmp_path: Path, clock: Clock) -> None:
    """It stays queued, the lock is free, and whoever runs next does it."""
    rows = Rows(tmp_path, clock, "a")
    rows.hold("a")
    async with Running(rows):
        await rows.until(lambda: rows.begun == ["a"])
    assert len(asyncio.all_tasks()) == 1  # this one
    assert rows.queued == [Row("a")]
    after = Rows(tmp_path, clock, "a")
    async with Running(after):
        await after.until(lambda: not after.queued)


async def test_queue_takes_over_when_the_leading_process_dies(tmp_path: Path, clock: Clock) -> None:
    """Of several processes one works; kill -9 gives its turn to another, within about a second."""
    rows = Rows(tmp_path, clock, "a")
    with held_elsewhere(tmp_path / "jobs.lock", "try_exclusive", TURN) as leader:
        async with Running(rows):
            for _ in range(50):
                await asyncio.sleep(0)
            assert rows.begun == []
            leader.send_signal(signal.SIGKILL)
            await rows.until(lambda: not rows.queued)
