"""Deliveries of events: so many at once, tried again for a day where the receiver is away, taken up after a restart.

Nothing waits for them: an event is in the store with what it tells of, and whoever made it goes on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from streamzip import metrics
from streamzip.clock import Clock
from streamzip.errors import Problem
from streamzip.jobs.kinds import Share
from streamzip.jobs.queue import PAUSE
from streamzip.jobs.stored import StoredKind
from streamzip.jobs.turns import Turn
from streamzip.logs import event
from streamzip.retry import Backoff
from streamzip.store.deliveries import DELIVERED, FAILED, GONE
from streamzip.store.queues import DELIVERIES
from streamzip.store.repository import Repository
from streamzip.store.rows import DeliveryRow
from streamzip.webhooks.courier import LONGEST_RETRY_AFTER, Outcome

logger = logging.getLogger(__name__)

AT_ONCE = 64
AT_ONCE_TO_ONE = 4  # so that the receivers that answer do not wait for the one that does not

# Each attempt may hang for 20 s. Those of clients leave the operator's receiver what it may have, whatever they do; of
# one client, and of those that failed before, there are never so many that others would wait for them.
_MOST: Final = {"operator": AT_ONCE_TO_ONE, "clients": AT_ONCE - AT_ONCE_TO_ONE, "owner": 32, "again": 32}

# 2, 4, 8 s … two hours: 12 attempts in the first two hours, 24 in a day.
ATTEMPTS, FIRST_WAIT, LONGEST_WAIT = 24, 2.0, 7200.0

TURN = 1  # the byte of the jobs' lock file that says which process delivers


class Webhooks(StoredKind[DeliveryRow]):
    """The kind of the deliveries. `deliver` makes one attempt; `jitter` gives a factor around 1."""

    name = DELIVERIES

    def __init__(
        self,
        repository: Repository,
        deliver: Callable[[DeliveryRow], Awaitable[Outcome]],
        clock: Clock,
        *,
        jitter: Callable[[], float],
    ) -> None:
        super().__init__(repository.deliveries, longest=LONGEST_RETRY_AFTER)
        self._clock = clock
        self._deliveries = repository.deliveries
        self._deliver = deliver
        self._backoff = Backoff(ATTEMPTS, FIRST_WAIT, LONGEST_WAIT, jitter)

    def shares(self, row: DeliveryRow) -> Mapping[Share, int]:
        """See Kind."""
        if row.predefined:
            return {("operator", "all"): _MOST["operator"]}
        shares = {("clients", "all"): _MOST["clients"], ("receiver", row.receiver): AT_ONCE_TO_ONE}
        if row.owner is not None:
            shares["owner", row.owner] = _MOST["owner"]
        if row.attempts:
            shares["again", "all"] = _MOST["again"]
        return shares

    async def withdrawn(self, ids: Collection[str]) -> Collection[str]:
        """See Kind: an attempt ends soon by itself."""
        return ()

    async def work(self, turn: Turn[DeliveryRow]) -> None:
        """See Kind."""
        row = turn.row
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
        metrics.DELIVERIES.add(outcome.fate)
        if outcome.fate == "again":
            wait = self._backoff.delay(attempts, outcome.retry_after)
        if wait is not None:
            await self._deliveries.again(row, not_before=now + wait, outcome=outcome.code)
            event(logger, logging.INFO, "delivery_put_off", **facts, wait=round(wait, 1))
        elif outcome.fate == "delivered":
            await self._deliveries.ended(row, state=DELIVERED, at=now, outcome=outcome.code)
            event(logger, logging.INFO, "delivered", **facts)
        else:
            gone = outcome.fate == "gone"
            await self._deliveries.ended(row, state=GONE if gone else FAILED, at=now, outcome=outcome.code)
            if gone:
                await self._deliveries.gone(row.url, at=now)
            event(logger, logging.WARNING, "delivery_given_up", **facts)
