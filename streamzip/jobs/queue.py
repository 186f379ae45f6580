"""How queued work is done, whatever kind it is of: by one of several processes, so much at once, each piece when it is
due, and a slot only for what advances.

The store keeps what is to be done; who works on it is in this process's memory alone. A piece leaves the queue by what
its work notes in the store, so that whatever ends a process, the rest is due again for whoever runs next.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic

from streamzip.clock import Clock
from streamzip.errors import Problem
from streamzip.files.locks import LockFile, when_free
from streamzip.jobs import traced
from streamzip.jobs.kinds import Counts, Kind, RowT, full
from streamzip.jobs.turn_limit import TurnLimit
from streamzip.jobs.turns import Turn
from streamzip.logs import event
from streamzip.store.queues import BLOCKED, LeftOut

logger = logging.getLogger(__name__)

PAUSE = 5.0  # seconds, after a failure that does not say when to try again
COUNT_EVERY = 10.0  # seconds; what waits is counted for whoever asks, and told in the log where it waits for a slot
TELL_EVERY = 60.0


@contextlib.asynccontextmanager
async def leading(lock: LockFile, turn: int) -> AsyncIterator[None]:
    """Wait until this process, of several, has that byte of the lock file; another gets it when this one dies or ends.

    The file is closed at the end.
    """
    try:
        await when_free(partial(lock.try_exclusive, turn), every=1.0)
        yield
    finally:
        lock.close()


@dataclass(frozen=True, slots=True)
class Post:
    """Which process works on a queue, and when it looks: the one that has the byte `turn` of `lock`, when `changed` is
    set by whoever queues in it, and every `look_every` seconds for what others queued.
    """

    lock: LockFile
    turn: int
    changed: asyncio.Event
    look_every: float


class Queue(Generic[RowT]):
    """The rows of one kind, worked on `at_once` at a time. `limit`, where given, ends turns for other rows' sake."""

    def __init__(
        self,
        kind: Kind[RowT],
        post: Post,
        clock: Clock,
        *,
        at_once: int,
        limit: TurnLimit[RowT] | None = None,
    ) -> None:
        self._kind = kind
        self._clock = clock
        self._post = post
        self._at_once = at_once
        self._look_every = post.look_every
        self._changed = post.changed
        self._limit = limit
        self._running: dict[asyncio.Task[None], Turn[RowT]] = {}
        self._waiting: Mapping[str, int] = {}
        self._counted_at = self._told_at = -TELL_EVERY

    @property
    def name(self) -> str:
        """Return what its rows are, in the plural."""
        return self._kind.name

    def counts(self) -> Counts:
        """Return how many rows are worked on here, and how many wait, by reason; none where another process works.

        What waits is counted every few seconds.
        """
        return Counts(len(self._running), dict(self._waiting))

    def wake(self) -> None:
        """Look for work now: the queue changed."""
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled; what is under way then is ended, and made anew by whoever runs next."""
        async with leading(self._post.lock, self._post.turn):
            try:
                while True:
                    self._changed.clear()
                    wait = await self._look_safely()
                    # Not asyncio.wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(wait):
                            await self._changed.wait()
            finally:
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)
                self._waiting = {}

    async def _look_safely(self) -> float:
        try:
            return await self._look()
        except Problem as problem:  # the store is full or locked: what is queued stays so
            event(logger, logging.WARNING, "queue_waits", queue=self._kind.name, code=problem.code)
            return problem.retry_after or PAUSE
        except Exception:
            logger.exception("looking for work failed unexpectedly")
            return PAUSE

    async def _look(self) -> float:
        """Begin what is due; the seconds until more is."""
        await self._end_withdrawn()
        wait = self._look_every
        while (room := self._at_once - len(self._running)) > 0:
            now, left_out = self._clock.wall(), self._left_out()
            rows = await self._kind.due(now, left_out, limit=room)
            begun = [row for row in rows if self._begin(row)]
            if not begun:
                due = await self._kind.next_due(left_out)
                # Bounded, so that a clock set back by hand does not put work off by as much.
                wait = wait if due is None else min(wait, max(0.0, due - now))
                break
        if self._running and self._limit is not None:
            await self._end_slow(self._limit)
            wait = min(wait, self._limit.seconds / 4)
        await self._count(no_room=room <= 0)
        return wait  # the end of one wakes us

    def _left_out(self) -> LeftOut:
        turns = self._running.values()
        return LeftOut.of([turn.row.id for turn in turns], full(self._kind, turns))

    def _begin(self, row: RowT) -> bool:
        """Begin to work on it, unless one of its shares has become full."""
        if self._kind.shares(row).keys() & set(full(self._kind, self._running.values())):
            return False
        turn = Turn(row, self._clock.monotonic())
        task = asyncio.create_task(self._attend(turn))
        self._running[task] = turn
        task.add_done_callback(self._ended)
        return True

    async def _attend(self, turn: Turn[RowT]) -> None:
        try:
            try:
                await traced.work(self._kind, turn)
            except asyncio.CancelledError:
                if not turn.ended or self._limit is None:
                    raise
                await self._limit.end(turn)
        except Problem as problem:  # the store's: nothing was noted
            event(logger, logging.WARNING, "queue_waits", queue=self._kind.name, code=problem.code)
            await asyncio.sleep(problem.retry_after or PAUSE)
        except Exception:  # nothing was noted: without a pause it would begin again at once, for ever
            logger.exception("queued work failed unexpectedly")
            await asyncio.sleep(PAUSE)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._changed.set()

    async def _end_withdrawn(self) -> None:
        running = list(self._running.items())
        if running:
            gone = await self._kind.withdrawn([turn.row.id for _, turn in running])
            for task, turn in running:
                if turn.row.id in gone:
                    task.cancel()

    async def _end_slow(self, limit: TurnLimit[RowT]) -> None:
        tasks = list(self._running.items())
        for turn in await limit.to_end([turn for _, turn in tasks]):
            turn.ended = True
            next(task for task, other in tasks if other is turn).cancel()

    async def _count(self, *, no_room: bool) -> None:
        """Count what waits, and tell in the log where it waits for a slot."""
        now, left_out = self._clock.monotonic(), self._left_out()
        crowded = no_room or bool(left_out.shares)
        if not crowded and now - self._counted_at < COUNT_EVERY:
            return
        self._counted_at = now
        self._waiting = await self._kind.waiting(self._clock.wall(), left_out, no_room=no_room)
        blocked = {reason: count for reason, count in self._waiting.items() if reason in BLOCKED}
        if not blocked:
            self._told_at = -TELL_EVERY
        elif now - self._told_at >= TELL_EVERY:
            self._told_at = now
            event(logger, logging.INFO, "slots_taken", queue=self._kind.name, running=len(self._running), **blocked)
