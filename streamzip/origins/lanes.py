"""Connections to origins: so many to each at once, and to all together; the part that a reader stands at goes before
what is fetched ahead.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

Urgent = Callable[[], bool]


@dataclass(slots=True)
class _Origin:
    limit: int
    ahead: int  # of them that may be fetched ahead with
    active: int = 0
    waiting: list[tuple[Urgent, asyncio.Future[None]]] = field(default_factory=list)


class Lanes:
    """`limit` connections to each origin, `total` to all; an eighth of them only for parts that a reader stands at."""

    def __init__(self, limit: int, total: int | None = None) -> None:
        self._limit = limit
        self._narrowed: dict[str, int] = {}
        self._total = total
        self._ahead_total = None if total is None else _ahead(total)
        self._active = 0
        self._origins: dict[str, _Origin] = {}

    async def enter(self, origin: str, urgent: Urgent) -> None:
        """Wait for a connection's turn. `urgent` is asked again whenever one is given out."""
        lane = self._origins.get(origin)
        if lane is None:
            limit = self._narrowed.get(origin, self._limit)
            lane = self._origins[origin] = _Origin(limit, _ahead(limit))
        if self._admits(lane, urgent):
            self._take(lane)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append((urgent, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(origin)  # the turn had been given in the same tick
            elif (urgent, turn) in lane.waiting:
                lane.waiting.remove((urgent, turn))
                self._forget(origin, lane)
            raise

    def leave(self, origin: str) -> None:
        """Give the connection's turn back."""
        lane = self._origins[origin]
        crowded = self._ahead_total is not None and self._active >= self._ahead_total
        lane.active -= 1
        self._active -= 1
        if crowded:  # others wait for their turn among all: they go first, in turn
            self._origins[origin] = self._origins.pop(origin)
            for other in list(self._origins.values()):
                self._give_out(other)
        elif lane.waiting:
            self._give_out(lane)
        if not lane.active:
            self._forget(origin, lane)

    def narrow(self, origin: str, limit: int | None) -> None:
        """Give no more than `limit` connections to the origin from now on; None: as many as to any other."""
        if limit is None:
            self._narrowed.pop(origin, None)
        else:
            self._narrowed[origin] = min(limit, self._limit)
        lane = self._origins.get(origin)
        if lane is not None:
            lane.limit = self._narrowed.get(origin, self._limit)
            lane.ahead = _ahead(lane.limit)
            self._give_out(lane)

    def is_awaited(self, origin: str) -> bool:
        """Return whether anybody waits for a connection's turn at the origin."""
        lane = self._origins.get(origin)
        return lane is not None and any(not turn.done() for _, turn in lane.waiting)

    def nudge(self, origin: str) -> None:
        """Let a part enter now that a reader has come to stand at."""
        lane = self._origins.get(origin)
        if lane is not None:
            self._give_out(lane)

    def _forget(self, origin: str, lane: _Origin) -> None:
        if not lane.active and not lane.waiting:
            self._origins.pop(origin, None)

    def _take(self, lane: _Origin) -> None:
        lane.active += 1
        self._active += 1

    def _admits(self, lane: _Origin, urgent: Urgent) -> bool:
        return self._room(lane, ahead=True) or (self._room(lane, ahead=False) and urgent())

    def _room(self, lane: _Origin, *, ahead: bool) -> bool:
        limit, total = (lane.ahead, self._ahead_total) if ahead else (lane.limit, self._total)
        return lane.active < limit and (total is None or self._active < total)

    def _give_out(self, lane: _Origin) -> None:
        while lane.waiting and self._room(lane, ahead=False):
            chosen = next((index for index, (urgent, _) in enumerate(lane.waiting) if urgent()), None)
            if chosen is None:
                if not self._room(lane, ahead=True):
                    return
                chosen = 0
            _, turn = lane.waiting.pop(chosen)
            if not turn.done():
                self._take(lane)
                turn.set_result(None)


def _ahead(limit: int) -> int:
    """Return how many of them may be fetched ahead with."""
    return max(1, limit - max(1, limit // 8))
