"""Deliveries of events: so many at once, tried again for a day where the receiver is away, taken up after a restart.

Nothing waits for them: an event is in the store with what it tells of, and whoever made it goes on.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from streamzip.clock import Clock
from streamzip.errors import Problem
from streamzip.jobs.courier import LONGEST_RETRY_AFTER, Outcome
from streamzip.logs import event
from streamzip.net.retry import Backoff
from streamzip.spool.locks import LockFile
from streamzip.store.deliveries import DELIVERED, FAILED, GONE
from streamzip.store.repository import Repository
from streamzip.store.rows import DeliveryRow

logger = logging.getLogger(__name__)

AT_ONCE = 64
AT_ONCE_TO_ONE = 4  # so that the receivers that answer do not wait for the one that does not

# 2, 4, 8 s … two hours: 12 attempts in the first two hours, 24 in a day.
ATTEMPTS, FIRST_WAIT, LONGEST_WAIT = 24, 2.0, 7200.0

TURN = 1  # the byte of the jobs' lock file that says which process delivers


class Webhooks:
    """Runs the deliveries until cancelled. `deliver` makes one attempt; `jitter` gives a factor around 1.

    Of several processes one runs them, as with prefetches; what another process queued is found by looking into the
    store, every `look_every` seconds.
    """

    def __init__(
        self,
        repository: Repository,
        deliver: Callable[[DeliveryRow], Awaitable[Outcome]],
        clock: Clock,
        *,
        leader: LockFile,
        look_every: float,
        jitter: Callable[[], float],
    ) -> None:
        self._deliveries = repository.deliveries
        self._deliver = deliver
        self._clock = clock
        self._leader = leader
        self._look_every = look_every
        self._backoff = Backoff(ATTEMPTS, FIRST_WAIT, LONGEST_WAIT, jitter)
        self._changed = asyncio.Event()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._to: Counter[str] = Counter()

    def wake(self) -> None:
        """An event was queued."""
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled; what is under way then is made anew by whoever runs next."""
        try:
            while not self._leader.try_exclusive(TURN):  # noqa: ASYNC110 - the kernel tells nobody when a lock is free
                await asyncio.sleep(1.0)
            while True:
                self._changed.clear()
                try:
                    wait = await self._start_due()
                except Problem as problem:  # the store is full or locked: what is queued stays so
                    event(logger, logging.WARNING, "deliveries_wait", code=problem.code)
                    wait = problem.retry_after or 5.0
                await self._sleep(wait)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            self._leader.close()

    async def _start_due(self) -> float:
        """Begin what is due; the seconds until more is."""
        while len(self._running) < AT_ONCE:
            now = self._clock.wall()
            room = AT_ONCE - len(self._running)
            rows = await self._deliveries.due(now, longest=LONGEST_RETRY_AFTER, limit=room, **self._left_out())
            if not rows:
                due = await self._deliveries.next_due(**self._left_out())
                # Bounded, so that a clock set back by hand does not put a delivery off by as much.
                return self._look_every if due is None else min(self._look_every, max(0.0, due - now))
            for row in rows:
                if self._to[row.receiver] < AT_ONCE_TO_ONE:
                    self._start(row)
        return self._look_every

    def _left_out(self) -> dict[str, list[str]]:
        """What `due` need not name: it is under way, or its receiver has its share."""
        full = [receiver for receiver, count in self._to.items() if count >= AT_ONCE_TO_ONE]
        return {"ids": list(self._running), "receivers": full}

    def _start(self, row: DeliveryRow) -> None:
        self._to[row.receiver] += 1
        task = self._running[row.id] = asyncio.create_task(self._attempt(row))
        task.add_done_callback(partial(self._ended, row))

    def _ended(self, row: DeliveryRow, _: "asyncio.Task[None]") -> None:
        del self._running[row.id]
        self._to[row.receiver] -= 1
        self._to += Counter()  # drops what is zero
        self._changed.set()

    async def _sleep(self, wait: float) -> None:
        # Not asyncio.wait_for: in Python 3.11 it loses a cancellation that comes in the same turn as the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._changed.wait()

    async def _attempt(self, row: DeliveryRow) -> None:
        try:
            await self._note(row, await self._deliver(row))
        except Problem as problem:  # the attempt is not noted, and so made anew
            event(logger, logging.WARNING, "delivery_not_noted", archive=row.hash, id=row.id, code=problem.code)
            await asyncio.sleep(problem.retry_after or 5.0)
        except Exception:
            logger.exception("a delivery failed unexpectedly", extra={"fields": {"archive": row.hash, "id": row.id}})
            await self._note(row, Outcome("again", "internal"))

    async def _note(self, row: DeliveryRow, outcome: Outcome) -> None:
        now, wait, attempts = self._clock.wall(), None, row.attempts + 1
        facts = {"archive": row.hash, "id": row.id, "type": row.type, "outcome": outcome.code, "attempts": attempts}
        if outcome.fate == "again":
            wait = self._backoff.delay(attempts, outcome.retry_after)
        if wait is not None:
            await self._deliveries.again(row.id, not_before=now + wait, outcome=outcome.code)
            event(logger, logging.INFO, "delivery_put_off", **facts, wait=round(wait, 1))
        elif outcome.fate == "delivered":
            await self._deliveries.ended(row.id, state=DELIVERED, at=now, outcome=outcome.code)
            event(logger, logging.INFO, "delivered", **facts)
        else:
            gone = outcome.fate == "gone"
            await self._deliveries.ended(row.id, state=GONE if gone else FAILED, at=now, outcome=outcome.code)
            if gone:
                await self._deliveries.gone(row.url, at=now)
            event(logger, logging.WARNING, "delivery_given_up", **facts)
