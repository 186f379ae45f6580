"""How a queue is worked on, whatever it is of: the rows here are in memory, and each is due at its time."""

import asyncio
import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from streamzip.errors import NotReady
from streamzip.files.locks import LockFile
from streamzip.jobs import queue
from streamzip.jobs.kinds import Counts
from streamzip.jobs.queue import Post, Queue
from streamzip.jobs.turn_limit import TurnLimit
from streamzip.jobs.turns import Turn
from streamzip.store.queues import LeftOut
from tests.unit.files.test_locks import held_elsewhere
from tests.unit.jobs.running import Clock, Running, eventually

TURN = 3
RARELY = 60.0  # seconds: more than a test takes


@dataclass(frozen=True)
class Row:
    """What is to be done, not before a time."""

    name: str
    not_before: float = 0.0
    owner: str | None = None
    waits: int = 0

    @property
    def id(self) -> str:
        return self.name


@dataclass
class Came:
    """How much of a row's work has come."""

    bytes: int | None = None

    def amount(self) -> int | None:
        return self.bytes


class Rows:
    """Rows that leave the queue when `answer` returns; `begun` has the name of each whose work was begun."""

    name = "rows"

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *names: str,
        at_once: int = 2,
        look_every: float = RARELY,
        patience: float | None = None,
    ) -> None:
        changed = asyncio.Event()
        post = Post(LockFile(folder / "jobs.lock"), TURN, changed, look_every)
        limit = None if patience is None else TurnLimit(self, clock, patience)
        self.queue = Queue(self, post, clock, at_once=at_once, limit=limit)
        self.clock = clock
        self.changed = changed
        self.queued = [Row(name) for name in names]
        self.begun: list[str] = []
        self.gave_up: list[tuple[str, int | None]] = []
        self.looks = 0
        self.look: Callable[[], None] = lambda: None
        self.answer: Callable[[Row], None] = lambda row: None
        self.held: dict[str, asyncio.Event] = {}
        self.came: dict[str, Came] = {}

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

    def shares(self, row: Row) -> dict[tuple[str, str], int]:
        return {} if row.owner is None else {("owner", row.owner): 1}

    def _free(self, now: float, left_out: LeftOut) -> list[Row]:
        full = left_out.shares.get("owner", ())
        return [row for row in self.queued if row.id not in left_out.ids and row.owner not in full]

    async def due(self, now: float, left_out: LeftOut, *, limit: int) -> list[Row]:
        self.looks += 1
        self.look()
        return [row for row in self._free(now, left_out) if row.not_before <= now][:limit]

    async def next_due(self, left_out: LeftOut) -> float | None:
        return min((row.not_before for row in self._free(0.0, left_out)), default=None)

    def id_of(self, text: str) -> str:
        return text

    async def claim(self, id: str, now: float) -> Row | None:
        raise NotImplementedError

    async def withdrawn(self, ids: Collection[str]) -> list[str]:
        return []

    async def waiting(self, now: float, left_out: LeftOut, *, no_room: bool) -> dict[str, int]:
        count = len(self.queued) - len(left_out.ids)
        return {"no_slot": count} if count and no_room else {}

    async def work(self, turn: Turn[Row]) -> None:
        row = turn.row
        self.begun.append(row.name)
        turn.measured = self.came.get(row.name)
        if row.name in self.held:
            await self.held[row.name].wait()
        self.answer(row)
        self.queued.remove(row)

    def turns_in_vain(self, row: Row) -> int:
        return row.waits

    async def rival(self, now: float, left_out: LeftOut, row: Row, *, any_of_them: bool) -> Row | None:
        below = [each for each in self._free(now, left_out) if any_of_them or each.waits < row.waits]
        return next((each for each in below if each.not_before <= now), None)

    async def yielded(self, turn: Turn[Row]) -> None:
        self.gave_up.append((turn.row.name, turn.gained))
        self.queued.remove(turn.row)
        self.queued.append(replace(turn.row, waits=turn.row.waits + 1, not_before=self.clock.now + 5.0))


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
    async with Running(rows.queue):
        await rows.rest()
        assert (rows.begun, rows.looks) == (["a", "b"], 1)
        rows.held["b"].set()
        await rows.until(lambda: rows.queued == [Row("a")])
    assert rows.begun == ["a", "b", "c"]


async def test_queue_begins_at_once_when_it_is_woken(tmp_path: Path, clock: Clock) -> None:
    """Whoever queues something need not wait for the next look."""
    rows = Rows(tmp_path, clock)
    async with Running(rows.queue):
        await rows.rest()
        rows.queued.append(Row("a"))
        rows.changed.set()
        await rows.until(lambda: rows.begun == ["a"])


async def test_queue_finds_what_another_process_queued(tmp_path: Path, clock: Clock) -> None:
    """Nobody wakes it; it looks now and then."""
    rows = Rows(tmp_path, clock, look_every=0.01)
    async with Running(rows.queue):
        await rows.rest()
        rows.queued.append(Row("a"))
        await rows.until(lambda: rows.begun == ["a"])


async def test_queue_begins_a_row_at_its_time_when_another_is_under_way(tmp_path: Path, clock: Clock) -> None:
    """What was put off for a moment does not wait for the end of the other, nor for the next look."""
    rows = Rows(tmp_path, clock, "slow")
    rows.hold("slow")
    rows.queued.append(Row("later", clock.now + 0.05))
    async with Running(rows.queue):
        await rows.until(lambda: rows.begun == ["slow"])
        clock.now += 0.05
        await rows.until(lambda: rows.begun == ["slow", "later"])


async def test_queue_looks_in_time_when_the_clock_was_set_back(tmp_path: Path, clock: Clock) -> None:
    """A row that seems to be due in a day is looked for all the same: the clock may be set right."""
    rows = Rows(tmp_path, clock, look_every=0.01)
    clock.now -= 86_400.0
    rows.queued.append(Row("a", 1000.0))
    async with Running(rows.queue):
        await rows.rest()
        assert rows.begun == []
        clock.now = 1000.0
        await rows.until(lambda: rows.begun == ["a"])


@pytest.mark.usefixtures("impatient")
async def test_queue_goes_on_when_work_fails_unexpectedly(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, ends no other work, stays queued, and is tried again."""
    caplog.set_level("WARNING", logger="streamzip")
    rows = Rows(tmp_path, clock, "bad", "good", at_once=1)

    def fail_once(row: Row) -> None:
        if rows.begun == ["bad"]:
            raise RuntimeError("a mistake of ours")

    rows.answer = fail_once
    async with Running(rows.queue):
        await rows.until(lambda: not rows.queued)
    assert rows.begun == ["bad", "bad", "good"]
    assert [record.name for record in caplog.records] == [queue.__name__]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("failure", "waits", "logged"),
    [(NotReady("", code="store_unavailable"), ["queue_waits"], 0), (RuntimeError("a mistake of ours"), [], 1)],
    ids=["store", "unexpected"],
)
async def test_queue_goes_on_when_the_store_could_not_be_read(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, failure: Exception, waits: list[str], logged: int
) -> None:
    """What is queued stays so, and is done after a pause."""
    caplog.set_level("WARNING", logger="streamzip")
    rows = Rows(tmp_path, clock, "a")
    failures = [failure]

    def fail_once() -> None:
        if failures:
            raise failures.pop()

    rows.look = fail_once
    async with Running(rows.queue):
        await rows.until(lambda: not rows.queued)
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert (rows.begun, told, len(caplog.records) - len(told)) == (["a"], waits, logged)


async def test_queue_ends_what_is_under_way_when_it_is_cancelled(tmp_path: Path, clock: Clock) -> None:
    """It stays queued, the lock is free, and whoever runs next does it."""
    rows = Rows(tmp_path, clock, "a")
    rows.hold("a")
    async with Running(rows.queue):
        await rows.until(lambda: rows.begun == ["a"])
    assert len(asyncio.all_tasks()) == 1  # this one
    assert rows.queued == [Row("a")]
    after = Rows(tmp_path, clock, "a")
    async with Running(after.queue):
        await after.until(lambda: not after.queued)


async def test_queue_takes_over_when_the_leading_process_dies(tmp_path: Path, clock: Clock) -> None:
    """Of several processes one works; kill -9 gives its turn to another, within about a second."""
    rows = Rows(tmp_path, clock, "a")
    with held_elsewhere(tmp_path / "jobs.lock", "try_exclusive", TURN) as leader:
        async with Running(rows.queue):
            for _ in range(50):
                await asyncio.sleep(0)
            assert rows.begun == []
            leader.send_signal(signal.SIGKILL)
            await rows.until(lambda: not rows.queued)


async def test_queue_gives_the_slot_of_what_brings_nothing_to_what_waits(tmp_path: Path, clock: Clock) -> None:
    """A row that hangs has its slot for as long as nobody waits for it, and then no longer than the patience."""
    rows = Rows(tmp_path, clock, "hangs", at_once=1, patience=0.04)
    rows.hold("hangs")
    async with Running(rows.queue):
        await rows.until(lambda: rows.begun == ["hangs"])
        clock.now += 100.0
        rows.changed.set()
        await rows.rest()
        assert rows.gave_up == []
        rows.queued.append(Row("honest"))
        await rows.until(lambda: "honest" in rows.begun)
        assert rows.gave_up == [("hangs", None)]
        clock.now += 5.0
        rows.changed.set()
        await rows.until(lambda: rows.begun == ["hangs", "honest", "hangs"])


async def test_queue_leaves_the_slot_to_what_advances(tmp_path: Path, clock: Clock) -> None:
    """Of two that last, only the one that drips gives up its slot; what it brought is told."""
    rows = Rows(tmp_path, clock, "quick", "drips", patience=0.04)
    for name in ("quick", "drips"):
        rows.hold(name)
        rows.came[name] = Came(0)
    async with Running(rows.queue):
        await rows.until(lambda: rows.begun == ["quick", "drips"])
        rows.queued.append(Row("honest"))
        clock.now += 0.02
        rows.changed.set()
        await rows.rest()
        rows.came["quick"].bytes, rows.came["drips"].bytes = 1_000_000, 10
        clock.now += 0.03
        rows.changed.set()
        await rows.until(lambda: "honest" in rows.begun)
    assert rows.gave_up == [("drips", 10)]


async def test_queue_lets_one_share_take_no_more_than_it_may(tmp_path: Path, clock: Clock) -> None:
    """An owner whose share is full waits, and does not stand in others' way; its slow row makes room for its next."""
    rows = Rows(tmp_path, clock, at_once=2, patience=0.04)
    rows.queued = [Row("a1", owner="a"), Row("a2", owner="a"), Row("b1", owner="b")]
    for name in ("a1", "a2", "b1"):
        rows.hold(name)
    async with Running(rows.queue):
        await rows.until(lambda: rows.begun == ["a1", "b1"])
        clock.now += 0.05
        rows.changed.set()
        await rows.until(lambda: rows.begun == ["a1", "b1", "a2"])
    assert rows.gave_up == [("a1", None)]


async def test_queue_gives_longer_turns_to_what_gave_up_its_slot_before(tmp_path: Path, clock: Clock) -> None:
    """Beside its like; to a row that never had a turn it gives way after the patience all the same."""
    rows = Rows(tmp_path, clock, at_once=1, patience=0.04)
    rows.queued = [Row("slow", waits=2), Row("other", waits=2)]
    for name in ("slow", "other", "new"):
        rows.hold(name)
    async with Running(rows.queue):
        await rows.until(lambda: rows.begun == ["slow"])
        clock.now += 0.1
        rows.changed.set()
        await rows.rest()
        assert rows.gave_up == []
        clock.now += 0.1
        rows.changed.set()
        await rows.until(lambda: rows.begun == ["slow", "other"])
        rows.queued.append(Row("new"))
        clock.now += 0.05
        rows.changed.set()
        await rows.until(lambda: rows.begun == ["slow", "other", "new"])


async def test_queue_says_what_waits_and_why(tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """In its counts, and in the log where it is for a slot."""
    caplog.set_level("INFO")
    rows = Rows(tmp_path, clock, "a", "b", at_once=1)
    rows.hold("a")
    async with Running(rows.queue):
        await rows.rest()
        assert rows.queue.counts() == Counts(1, {"no_slot": 1})
        rows.held["a"].set()
        await rows.until(lambda: not rows.queued)
    assert [record.message for record in caplog.records] == ["slots_taken"]
