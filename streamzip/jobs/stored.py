"""Kinds whose rows lie in one of the store's queues: what the loop asks is asked of the store."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from streamzip.jobs.kinds import Share, spare
from streamzip.store.queues import LeftOut, Queued
from streamzip.store.stored_queue import StoredQueue

RowT = TypeVar("RowT", bound=Queued)


class StoredKind(Generic[RowT]):
    """Passes on to the store what the loop asks of a kind; see Kind. `longest`: the longest wait (s) of a retry."""

    def __init__(self, rows: StoredQueue[RowT], *, longest: float) -> None:
        self._rows = rows
        self._longest = longest

    def shares(self, row: RowT) -> Mapping[Share, int]:
        """See Kind: none."""
        return {}

    async def due(self, now: float, left_out: LeftOut, *, limit: int) -> Sequence[RowT]:
        """See Kind."""
        return await self._rows.due(now, longest=self._longest, limit=limit, left_out=left_out)

    async def next_due(self, left_out: LeftOut) -> float | None:
        """See Kind."""
        return await self._rows.next_due(left_out)

    def id_of(self, text: str) -> Any:
        """See Kind."""
        return self._rows.id_of(text)

    async def claim(self, id: str, now: float) -> RowT | None:
        """See Kind."""
        return await self._rows.claim(id, now)

    async def withdrawn(self, ids: Collection[Any]) -> Collection[Any]:
        """See Kind: those that were cancelled, or went with their archive."""
        return await self._rows.withdrawn(ids)

    async def waiting(self, now: float, left_out: LeftOut, *, no_room: bool) -> Mapping[str, int]:
        """See Kind."""
        return await self._rows.waiting(now, longest=self._longest, left_out=left_out, no_room=no_room)


class Shared(Queued, Protocol):
    """A row that may give up its slot, of an owner and at an origin."""

    @property
    def owner(self) -> str | None:
        """Return the name of the API key that asked for it."""

    @property
    def origin(self) -> str | None:
        """Return where most of it comes from, as `host:port`."""

    @property
    def attempts(self) -> int:
        """Return how often it failed."""

    @property
    def waits(self) -> int:
        """Return how often in a row it was put off without having failed."""


SharedT = TypeVar("SharedT", bound=Shared)


class SharedKind(StoredKind[SharedT]):
    """Shares out the slots of a kind whose rows may give theirs up; see Yielding. `slots`: how many rows are worked
    on at a time: one owner's, and one origin's, leave a slot to others.
    """

    def __init__(self, rows: StoredQueue[SharedT], *, longest: float, slots: int) -> None:
        super().__init__(rows, longest=longest)
        self._most = spare(slots)

    def shares(self, row: SharedT) -> Mapping[Share, int]:
        """See Kind."""
        mine = {"owner": row.owner, "origin": row.origin}
        return {(name, whose): self._most for name, whose in mine.items() if whose is not None}

    def turns_in_vain(self, row: SharedT) -> int:
        """See Yielding."""
        return row.waits + row.attempts

    async def rival(self, now: float, left_out: LeftOut, row: SharedT, *, any_of_them: bool) -> SharedT | None:
        """See Yielding."""
        below = None if any_of_them else self.turns_in_vain(row)
        rows = await self._rows.due(now, longest=self._longest, limit=1, left_out=left_out, turns_below=below)
        return rows[0] if rows else None
