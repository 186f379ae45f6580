"""Connections per origin: so many at once, and the part that a reader stands at goes before what is fetched ahead."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

Urgent = Callable[[], bool]


@dataclass(slots=True)
class _Origin:
    active: int = 0
    waiting: list[tuple[Urgent, asyncio.Future[None]]] = field(default_factory=list)


class Lanes:
    """`limit` connections to each origin; an eighth of them only for parts that a reader stands at."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ahead_limit = max(1, limit - max(1, limit // 8))
        self._origins: dict[str, _Origin] = {}

    async def enter(self, origin: str, urgent: Urgent) -> None:
        """Wait for a connection's turn. `urgent` is asked again whenever one is given out."""
        lane = self._origins.setdefault(origin, _Origin())
        if self._admits(lane, urgent):
            lane.active += 1
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
            raise

    def leave(self, origin: str) -> None:
        """Give the connection's turn back."""
        lane = self._origins[origin]
        lane.active -= 1
        if lane.active or lane.waiting:
            self._give_out(lane)
        else:
            del self._origins[origin]

    def nudge(self, origin: str) -> None:
        """A reader has come to stand at a part that waits: it may enter now."""
        lane = self._origins.get(origin)
        if lane is not None:
            self._give_out(lane)

    def _admits(self, lane: _Origin, urgent: Urgent) -> bool:
        return lane.active < self._ahead_limit or (lane.active < self._limit and urgent())

    def _give_out(self, lane: _Origin) -> None:
        while lane.waiting and lane.active < self._limit:
            chosen = next((index for index, (urgent, _) in enumerate(lane.waiting) if urgent()), None)
            if chosen is None:
                if lane.active >= self._ahead_limit:
                    return
                chosen = 0
            _, turn = lane.waiting.pop(chosen)
            if not turn.done():
                lane.active += 1
                turn.set_result(None)
