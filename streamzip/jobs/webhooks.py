"""Deliveries of events: so many at once, tried again for a day where the receiver is away, taken up after a restart.

Nothing waits for them: an event is in the store with what it tells of, and whoever made it goes on.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from streamzip.clock import Clock
from streamzip.errors import Problem
from streamzip.files.locks import LockFile
from streamzip.jobs.courier import LONGEST_RETRY_AFTER, Outcome
from streamzip.jobs.queue import PAUSE, Queue
from streamzip.logs import event
from streamzip.net.retry import Backoff
from streamzip.store.deliveries import DELIVERED, FAILED, GONE
from streamzip.store.repository import Repository
from streamzip.store.rows import DeliveryRow

logger = logging.getLogger(__name__)

AT_ONCE = 64
AT_ONCE_TO_ONE = 4  # so that the receivers that answer do not wait for the one that does not

# 2, 4, 8 s … two hours: 12 attempts in the first two hours, 24 in a day.
ATTEMPTS, FIRST_WAIT, LONGEST_WAIT = 24, 2.0, 7200.0

TURN = 1  # the byte of the jobs' lock file that says which process delivers


class Webhooks(Queue[DeliveryRow]):
    """The deliveries. `deliver` makes one attempt; `jitter` gives a factor around 1."""

    def __init__(
        self,
        repository: Repository,
        deliver: Callable[[DeliveryRow], Awaitable[Outcome]],
        clock: Clock,
        *,
        leader: LockFile,
        look_every: float,
        changed: asyncio.Event,
        jitter: Callable[[], float],
    ) -> None:
        super().__init__(clock, leader, turn=TURN, at_once=AT_ONCE, look_every=look_every, changed=changed)
        self._deliveries = repository.deliveries
        self._deliver = deliver
        self._backoff = Backoff(ATTEMPTS, FIRST_WAIT, LONGEST_WAIT, jitter)

    async def _due(self, now: float, running: Sequence[DeliveryRow], room: int) -> list[DeliveryRow]:
        rows = await self._deliveries.due(now, longest=LONGEST_RETRY_AFTER, limit=room, **_left_out(running))
        to = Counter(row.receiver for row in running)
        begun = []
        for row in rows:
            to[row.receiver] += 1
            if to[row.receiver] <= AT_ONCE_TO_ONE:
                begun.append(row)
        return begun

    async def _next_due(self, running: Sequence[DeliveryRow]) -> float | None:
        return await self._deliveries.next_due(**_left_out(running))

    def _log_wait(self, code: str) -> None:
        event(logger, logging.WARNING, "deliveries_wait", code=code)

    async def _work(self, row: DeliveryRow) -> None:
        try:
            await self._note(row, await self._deliver(row))
        except Problem as problem:  # the attempt is not noted, and so made anew
            event(logger, logging.WARNING, "delivery_not_noted", archive=row.hash, id=row.id, code=problem.code)
            await asyncio.sleep(problem.retry_after or PAUSE)
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


def _left_out(running: Sequence[DeliveryRow]) -> dict[str, list[str]]:
    """What need not be looked at: it is under way, or its receiver has its share."""
    to = Counter(row.receiver for row in running)
    full = [receiver for receiver, count in to.items() if count >= AT_ONCE_TO_ONE]
    return {"ids": [row.id for row in running], "receivers": full}
