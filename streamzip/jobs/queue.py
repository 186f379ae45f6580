"""How queued work is done: by one of several processes, so much at once, each piece when it is due.

The store keeps what is to be done; who works on it is in this process's memory alone. A piece leaves the queue by what
its work notes in the store, so that whatever ends a process, the rest is due again for whoever runs next.
"""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Generic, TypeVar

from streamzip.clock import Clock
from streamzip.errors import Problem
from streamzip.files.locks import LockFile

logger = logging.getLogger(__name__)

PAUSE = 5.0  # seconds, after a failure that does not say when to try again

Row = TypeVar("Row")


@contextlib.asynccontextmanager
async def leading(lock: LockFile, turn: int) -> AsyncIterator[None]:
    """Wait until this process, of several, has that byte of the lock file; another gets it when this one dies or ends.

    The file is closed at the end.
    """
    try:
        while not lock.try_exclusive(turn):  # noqa: ASYNC110 - the kernel tells nobody when a lock is free
            await asyncio.sleep(1.0)
        yield
    finally:
        lock.close()


class Queue(ABC, Generic[Row]):
    """The rows of a table that are to be worked on; what they are and what is to be done is the subclass's affair.

    `turn`: the byte of `leader` that says which process works. `at_once`: rows worked on at a time. What another
    process queued is found by looking into the store, every `look_every` seconds; whoever queues here sets `changed`.
    """

    def __init__(
        self, clock: Clock, leader: LockFile, *, turn: int, at_once: int, look_every: float, changed: asyncio.Event
    ) -> None:
        self._clock = clock
        self._leader = leader
        self._turn = turn
        self._at_once = at_once
        self._look_every = look_every
        self._changed = changed
        self._running: dict[asyncio.Task[None], Row] = {}

    @abstractmethod
    async def _due(self, now: float, running: Sequence[Row], room: int) -> Sequence[Row]:
        """Those to begin now beside the running ones, at most `room`; none only where no other's time has come."""

    @abstractmethod
    async def _next_due(self, running: Sequence[Row]) -> float | None:
        """When the first of the others is due (epoch s, it may be past); None where nothing else is queued."""

    @abstractmethod
    async def _work(self, row: Row) -> None:
        """Do it, and note what became of it; where nothing was noted, it is due again."""

    @abstractmethod
    def _log_wait(self, code: str) -> None:
        """The store cannot be read now, and what is queued waits for it."""

    def wake(self) -> None:
        """The queue changed."""
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled; what is under way then is ended, and made anew by whoever runs next."""
        async with leading(self._leader, self._turn):
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

    async def _look_safely(self) -> float:
        try:
            return await self._look()
        except Problem as problem:  # the store is full or locked: what is queued stays so
            self._log_wait(problem.code)
            return problem.retry_after or PAUSE
        except Exception:
            logger.exception("looking for work failed unexpectedly")
            return PAUSE

    async def _look(self) -> float:
        """Begin what is due; the seconds until more is."""
        while len(running := list(self._running.values())) < self._at_once:
            now = self._clock.wall()
            rows = await self._due(now, running, self._at_once - len(running))
            if not rows:
                due = await self._next_due(running)
                # Bounded, so that a clock set back by hand does not put work off by as much.
                return self._look_every if due is None else min(self._look_every, max(0.0, due - now))
            for row in rows:
                task = asyncio.create_task(self._attend(row))
                self._running[task] = row
                task.add_done_callback(self._ended)
        return self._look_every  # the end of one wakes us

    async def _attend(self, row: Row) -> None:
        try:
            await self._work(row)
        except Exception:  # nothing was noted: without a pause it would begin again at once, for ever
            logger.exception("queued work failed unexpectedly")
            await asyncio.sleep(PAUSE)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._changed.set()
