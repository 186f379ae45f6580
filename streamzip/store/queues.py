"""What the tables that are queues have in common: rows with a state, attempts, and a time before which they rest.

Where one process works on a queue it claims no row: what it has is in its memory alone, and it says so when it asks for
more. Where several do, each takes a row up, and who did so last notes what became of it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    Table,
    Update,
    case,
    false,
    func,
    or_,
    select,
    update,
)

from streamzip.store.statements import changed

QUEUED = "queued"  # the state of what is still to be done

# The queues, as the log and whoever is woken call them.
PREFETCHES: Final = "prefetches"
PAGES: Final = "pages"
DELIVERIES: Final = "deliveries"
OFFLOADS: Final = "offloads"  # with `@` and a node's name behind it, for it has the copies

# Why a row waits, where that is no failure. What is due and has none of them is worked on, or begins at once.
NO_SLOT: Final = "no_slot"  # all slots are taken
SHARE: Final = "share"  # its owner, or its origin, has as many slots as it may
SLOW: Final = "slow"  # it gave its slot up, because too little came while others waited
NOT_READY: Final = "not_ready"  # its origins are still being asked
NO_ROOM: Final = "no_room"  # copies that are read now leave no room for it
TOO_MANY: Final = "too_many_archives"  # that are made at once
TOO_BUSY: Final = "too_busy"  # the origins of very many entries are being asked already

BLOCKED: Final = frozenset({NO_SLOT, SHARE})
WAITS: Final = BLOCKED | {SLOW, NOT_READY, NO_ROOM, TOO_MANY, TOO_BUSY}


EARLY: Final = 0.25  # seconds before its time in which a row may be taken up: clocks differ a little


class Queued(Protocol):
    """A row of a queue."""

    @property
    def id(self) -> Any:
        """Return its name in its queue."""

    @property
    def claims(self) -> int:
        """Return how often it was taken up."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that a look into a queue leaves out: those `ids`, and whatever counts in one of the `shares`, by the name of
    what is shared.
    """

    ids: Collection[Any] = ()
    shares: Mapping[str, Collection[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, ids: Collection[Any], shares: Iterable[tuple[str, str]]) -> Self:
        """Make it of shares in pairs: of what, and whose."""
        by_name: dict[str, set[str]] = {}
        for name, whose in shares:
            by_name.setdefault(name, set()).add(whose)
        return cls(ids, by_name)

    def __bool__(self) -> bool:
        return bool(self.ids or self.shares)


NOTHING: Final = LeftOut()


def in_shares(columns: Mapping[str, ColumnElement[Any]], left_out: LeftOut) -> ColumnElement[bool]:
    """Return whether a row counts in one of the shares that are left out; `columns`: where a row says whose it is."""
    found = [columns[name].in_(whose) for name, whose in left_out.shares.items() if name in columns]
    return func.coalesce(or_(false(), *found), false())


def is_mine(queue: Table, row: Queued) -> ColumnElement[bool]:
    """Return whether it is that row, and nobody has taken it up since: what whoever works on it may change."""
    mine: ColumnElement[bool] = (queue.c.id == row.id) & (queue.c.claims == row.claims)
    return mine


def take_up(connection: Connection, queue: Table, id: Any, now: float, **values: Any) -> bool:
    """Take the row up, so that nobody who did so before changes it any more; False where it is not to be done now."""
    due = (queue.c.id == id) & (queue.c.state == QUEUED) & (queue.c.not_before <= now + EARLY)
    return changed(connection, update(queue).where(due).values(claims=queue.c.claims + 1, **values)) > 0


def is_waiting(queue: Table, ids: Collection[Any]) -> ColumnElement[bool]:
    """Return whether a row is still to be done and is none of those `ids`, which the caller has in hand."""
    return (queue.c.state == QUEUED) & queue.c.id.not_in(ids)


def is_due(queue: Table, now: float, longest: float) -> ColumnElement[bool]:
    """Return whether the time of a queue's row has come. `longest`: the longest wait (s) that a retry of this queue is
    given.

    What is further off, or was queued in the future and never tried, was put off by a clock that has been set back.
    """
    early = (queue.c.attempts == 0) & (queue.c.created_at > now)
    return (queue.c.not_before <= now) | (queue.c.not_before > now + longest) | early


def by_reason(rows: Sequence[Row[Any]]) -> dict[str, int]:
    """Return counts by reason, of rows of both; what has none is about to begin."""
    return {reason or "due": count for reason, count in (tuple(row) for row in rows)}


def unfinished(queue: Table, ids: Collection[Any]) -> Select[Any]:
    """Return the query for the ids of those of the rows that are still to be done."""
    return select(queue.c.id).where(queue.c.id.in_(ids), queue.c.state == QUEUED)


def blocked(
    queue: Table,
    source: FromClause,
    due: ColumnElement[bool],
    shared: ColumnElement[bool],
    *,
    no_room: bool,
) -> tuple[Select[Any], Update]:
    """Return how to find out whether a row that is `due` does not say yet why it gets no slot, and how to note it.

    `source`: the queue, joined to what says whose its rows are; `shared`: whether a row's share is full.
    """
    why: ColumnElement[Any] = case((shared, SHARE), else_=NO_SLOT if no_room else None)
    rows = select(queue.c.id, queue.c.reason, why.label("why")).select_from(source).where(due).subquery()
    unsaid = select(rows.c.id).where(rows.c.why.is_not(None), rows.c.reason.is_distinct_from(rows.c.why))
    mine = select(rows.c.why).where(rows.c.id == queue.c.id).scalar_subquery()
    return unsaid.limit(1), update(queue).where(queue.c.id.in_(unsaid)).values(reason=mine)
