"""One kind's work in a process that is woken for each row: taken up, measured, ended where another row waits.

Who else works on what is known to whoever wakes; here are the rows of this process.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Any, Generic

from streamzip.clock import Clock
from streamzip.errors import Problem
from streamzip.jobs import traced
from streamzip.jobs.kinds import Counts, RowT, full
from streamzip.jobs.port import Work
from streamzip.jobs.turns import Turn
from streamzip.logs import event
from streamzip.store.queues import LeftOut

logger = logging.getLogger(__name__)

PAUSE = 5.0  # seconds, after a failure that does not say when to try again
COUNT_EVERY = 10.0  # seconds
SHARE_PAUSE = 2.0  # seconds, until a row is tried again whose owner or origin has its share


class Bench(Generic[RowT]):
    """The rows of one kind that this process works on."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self.work = work
        self._kind = work.kind
        self._clock = clock
        self._running: dict[asyncio.Task[None], Turn[RowT]] = {}
        self._waiting: Mapping[str, int] = {}
        self._counted_at = -COUNT_EVERY

    def counts(self) -> Counts:
        """Return how many rows are worked on here, and how many waited at the last look, by reason."""
        return Counts(len(self._running), dict(self._waiting))

    async def attend(self, id: str) -> float | None:
        """Work on the row, where it is still to be done; the seconds after which to try again, where nothing was noted
        of it. Cancelled, it ends the work first.
        """
        try:
            row = await self._kind.claim(id, self._clock.wall())
            if row is None:
                return None
            if self._kind.shares(row).keys() & set(full(self._kind, self._running.values())):
                return SHARE_PAUSE
            await self._do(Turn(row, self._clock.monotonic()))
        except Problem as problem:  # the store's: nothing was noted
            event(logger, logging.WARNING, "queue_waits", queue=self._kind.name, code=problem.code)
            return problem.retry_after or PAUSE
        except Exception:
            logger.exception("queued work failed unexpectedly")
            return PAUSE
        return None

    async def _do(self, turn: Turn[RowT]) -> None:
        task = asyncio.create_task(traced.work(self._kind, turn))
        self._running[task] = turn
        try:
            await asyncio.wait([task])
        finally:
            del self._running[task]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if task.cancelled():
            if turn.ended and self.work.limit is not None:
                await self.work.limit.end(turn)
            return  # else it was withdrawn
        await task

    async def look(self, elsewhere: Collection[Any]) -> None:
        """End what was withdrawn, and what brings too little where another row waits; count what waits.

        `elsewhere`: rows that are worked on, here or in other processes.
        """
        if self._running:
            await self._end_some(elsewhere)
        shares, now = full(self._kind, self._running.values()), self._clock.monotonic()
        no_room = len(self._running) >= self.work.at_once
        if no_room or shares or now - self._counted_at >= COUNT_EVERY:
            self._counted_at = now
            left_out = LeftOut.of([*elsewhere, *(turn.row.id for turn in self._running.values())], shares)
            self._waiting = await self._kind.waiting(self._clock.wall(), left_out, no_room=no_room)

    async def _end_some(self, elsewhere: Collection[Any]) -> None:
        tasks, limit = list(self._running.items()), self.work.limit
        gone = await self._kind.withdrawn([turn.row.id for _, turn in tasks])
        ended = [] if limit is None else await limit.to_end([turn for _, turn in tasks], beside=elsewhere)
        for task, turn in tasks:
            turn.ended = turn.ended or turn in ended
            if turn.ended or turn.row.id in gone:
                task.cancel()
