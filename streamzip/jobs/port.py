"""The port behind which queued work is done: our tables say what is to be done, a dispatcher who does it and when.

Two stand behind it, held to one suite (tests/contract/jobs): `embedded`, one process of a data folder, which looks into
the tables; and `on_procrastinate`, as many processes as there are, which PostgreSQL wakes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from streamzip.jobs.kinds import Counts, Kind
from streamzip.jobs.turn_limit import TurnLimit


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of queued work, and how much of it is done at once. `limit`: ends turns for other rows' sake.

    `turn`: the byte of the lock file that says which process does it, where one does. `changed` is set by whoever
    queues in this process.
    """

    kind: Kind[Any]
    at_once: int
    turn: int
    changed: asyncio.Event
    limit: TurnLimit[Any] | None = None


class Dispatcher(Protocol):
    """Does queued work."""

    async def run(self) -> None:
        """Work until cancelled; what is under way then is ended, and made anew by whoever runs next.

        It may also end by itself, with an exception, where it can work no longer: then it has to be begun anew.
        """

    def counts(self) -> Mapping[str, Counts]:
        """Return of each queue how many rows this process works on, and how many wait, by reason."""


Works = Sequence[Work]


class Elsewhere:
    """See Dispatcher: other processes do the work."""

    async def run(self) -> None:
        """See Dispatcher."""
        await asyncio.Event().wait()

    def counts(self) -> Mapping[str, Counts]:
        """See Dispatcher."""
        return {}
