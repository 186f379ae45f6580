"""A table that is a queue: which of its rows are due, why the others wait, and who took one up.

`store/queues.py` has the conditions; here they are asked of the database, the same way for every queue.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, FromClause, Select, Table, func, select, true, update

from streamzip.store.hiding import Hiding
from streamzip.store.queues import (
    NOTHING,
    QUEUED,
    LeftOut,
    Queued,
    blocked,
    by_reason,
    in_shares,
    is_due,
    is_mine,
    is_waiting,
    take_up,
    unfinished,
)
from streamzip.store.reading import Reads
from streamzip.store.statements import changed
from streamzip.store.wakes import Wakes
from streamzip.store.writer import Writer

RowT = TypeVar("RowT", bound=Queued)


@dataclasses.dataclass(frozen=True, slots=True)
class QueueSchema(Generic[RowT]):
    """Where the rows of one queue lie, and what of them is read.

    `row`: its fields are the columns. `shares`: where a row says which shares of the slots it counts in. `joined`: the
    table, with what else says so. `why`: the column that says why a row waits. `ours`: which rows of the table are of
    this queue.
    """

    name: str  # by which whoever works on it is woken
    row: type[RowT]
    table: Table
    shares: Mapping[str, ColumnElement[Any]]
    joined: FromClause
    why: ColumnElement[Any]
    ours: ColumnElement[bool] = dataclasses.field(default_factory=true)

    def select(self) -> Select[Any]:
        """Return the query for rows of the table."""
        names = [field.name for field in dataclasses.fields(self.row)]  # type: ignore[arg-type]
        there = self.table.c
        return select(*(there[name] if name in there else self.shares[name] for name in names)).select_from(self.joined)


class StoredQueue(Generic[RowT]):
    """One queue's rows. Every method may raise errors.NotReady and errors.Damaged."""

    _TAKEN_UP: ClassVar[Mapping[str, Any]] = {"reason": None}  # what a row says from then on

    def __init__(self, schema: QueueSchema[RowT], reads: Reads, writer: Writer, wakes: Wakes) -> None:
        self._schema = schema
        self._table = schema.table
        self._reads = reads
        self._writer = writer
        self._wakes = wakes
        self._empty_at: object | None = None  # the store's version at which nothing was queued

    @staticmethod
    def id_of(text: str) -> Any:
        """Return the id of a row that is written so."""
        return text

    async def due(
        self,
        now: float,
        *,
        longest: float,
        limit: int = 100,
        left_out: LeftOut = NOTHING,
        turns_below: int | None = None,
    ) -> list[RowT]:
        """Return rows whose time has come (see `is_due`), the longest waiting first, without those that are `left_out`,
        which the caller runs already: it claims none. `turns_below`: only those that had fewer turns.
        """
        if self._is_empty(left_out):
            return []
        table = self._table
        query = self._schema.select().where(is_due(table, now, longest), self._waiting(left_out))
        if turns_below is not None:
            query = query.where(table.c.waits + table.c.attempts < turns_below)
        rows = await self._reads.rows(query.order_by(table.c.not_before, table.c.id).limit(limit))
        found, lost = Hiding.readable([self._schema.row(**row._mapping) for row in rows], self._shown)
        for row in lost:  # its key was taken out; what is behind it must not wait
            await self._unreadable(row, now)
        return found

    async def next_due(self, left_out: LeftOut = NOTHING) -> float | None:
        """Return when the earliest of the others is due (epoch s, it may be past); None where nothing is queued."""
        if self._is_empty(left_out):
            return None
        version = self._reads.version()  # before the query: what is committed meanwhile makes it another
        earliest = select(func.min(self._table.c.not_before)).select_from(self._schema.joined)
        rows = await self._reads.rows(earliest.where(self._waiting(left_out)))
        due: float | None = rows[0][0]
        if due is None and not left_out:
            self._empty_at = version
        return due

    async def withdrawn(self, ids: Collection[Any]) -> list[Any]:
        """Return those of the rows that are no longer to be done."""
        there = {row.id for row in await self._reads.rows(unfinished(self._table, ids))}
        return [id for id in ids if id not in there]

    async def waiting(self, now: float, *, longest: float, left_out: LeftOut, no_room: bool) -> Mapping[str, int]:
        """Note why rows wait that are due, and return how many wait, by reason. `left_out`: those that are worked on,
        and the shares of the slots that are taken; `no_room`: all slots are.
        """
        if self._is_empty(left_out):
            return {}
        schema, table = self._schema, self._table
        due = schema.ours & is_waiting(table, left_out.ids) & is_due(table, now, longest)
        unsaid, note = blocked(table, schema.joined, due, in_shares(schema.shares, left_out), no_room=no_room)
        if await self._reads.rows(unsaid):
            await self._writer.apply(lambda connection: changed(connection, note))
        return await self._counted(left_out)

    async def claim(self, id: str, now: float) -> RowT | None:
        """Take the row up; None where it is not to be done now."""

        def change(connection: Connection) -> bool:
            return take_up(connection, self._table, self.id_of(id), now, **self._TAKEN_UP)

        if not await self._writer.apply(change):
            return None
        found = await self._rows(self._schema.select().where(self._table.c.id == self.id_of(id)))
        return found[0] if found else None

    def _is_empty(self, left_out: LeftOut) -> bool:
        """Return whether nothing is queued, as far as that is known without asking: an idle gateway asks every few
        seconds.
        """
        return not left_out and self._empty_at is not None and self._reads.version() == self._empty_at

    async def _counted(self, left_out: LeftOut) -> Mapping[str, int]:
        which, why = self._schema.ours & is_waiting(self._table, left_out.ids), self._schema.why
        return by_reason(await self._reads.rows(select(why, func.count()).where(which).group_by(why)))

    async def _note(self, row: RowT, **values: Any) -> None:
        """Change the row, unless somebody took it up since; have one that waits worked on at its `not_before`."""

        def change(connection: Connection) -> None:
            mine = update(self._table).where(self._mine(row)).values(**values)
            waits = "not_before" in values and values.get("state", QUEUED) == QUEUED
            if changed(connection, mine) and waits:
                self._wakes.wake(connection, self._schema.name, str(row.id), values["not_before"])

        await self._writer.apply(change)

    def _mine(self, row: RowT) -> ColumnElement[bool]:
        return is_mine(self._table, row)

    def _waiting(self, left_out: LeftOut) -> ColumnElement[bool]:
        schema = self._schema
        return schema.ours & is_waiting(self._table, left_out.ids) & ~in_shares(schema.shares, left_out)

    async def _rows(self, query: Select[Any]) -> Sequence[RowT]:
        return [self._shown(self._schema.row(**row._mapping)) for row in await self._reads.rows(query)]

    def _shown(self, row: RowT) -> RowT:
        """Return the row with what is encrypted in it. Raises Damaged where no key of the ring can read it."""
        return row

    async def _unreadable(self, row: RowT, now: float) -> None:
        """Note that the row, which no key can read any more, is given up."""
