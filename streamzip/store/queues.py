"""What the tables that are queues have in common: rows with a state, attempts, and a time before which they rest.

No row is claimed: who works on it is in that process's memory alone, and it says what it has when it asks for more.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Table, func, select

from streamzip.store.reading import Reads

QUEUED = "queued"  # the state of what is still to be done


def is_waiting(queue: Table, ids: Collection[Any]) -> ColumnElement[bool]:
    """Whether a row is still to be done and is none of those `ids`, which the caller has in hand."""
    return (queue.c.state == QUEUED) & queue.c.id.not_in(ids)


def is_due(queue: Table, now: float, longest: float) -> ColumnElement[bool]:
    """Whether the time of a queue's row has come. `longest`: the longest wait (s) that a retry of this queue is given.

    What is further off, or was queued in the future and never tried, was put off by a clock that has been set back.
    """
    early = (queue.c.attempts == 0) & (queue.c.created_at > now)
    return (queue.c.not_before <= now) | (queue.c.not_before > now + longest) | early


async def next_due(reads: Reads, queue: Table, which: ColumnElement[bool]) -> float | None:
    """When the earliest of those rows is due (epoch s, it may be past); None where there are none."""
    rows = await reads.rows(select(func.min(queue.c.not_before)).where(which))
    due: float | None = rows[0][0]
    return due
