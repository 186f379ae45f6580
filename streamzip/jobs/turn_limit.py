"""A slot is for work that advances: what waits or drips gives its own up where another row waits for it."""

from collections.abc import Collection, Sequence
from typing import Any, Final, Generic

from streamzip.clock import Clock
from streamzip.jobs.kinds import RowT, Yielding, full
from streamzip.jobs.turns import Turn
from streamzip.retry import grown
from streamzip.store.queues import LeftOut

LEAST_RATE: Final = 25_000  # bytes per second; with less, a slot is worth more to another row
LONGER: Final = 16  # times the patience, at most: what had turns in vain has longer ones beside its like


class TurnLimit(Generic[RowT]):
    """Ends turns that brought too little for `seconds`."""

    def __init__(self, kind: Yielding[RowT], clock: Clock, seconds: float) -> None:
        self._kind = kind
        self._clock = clock
        self.seconds = seconds

    async def to_end(self, turns: Sequence[Turn[RowT]], *, beside: Collection[Any] = ()) -> list[Turn[RowT]]:
        """Return the turns, of those that run here, whose slots other rows could have now. `beside`: rows that other
        processes work on.

        A row that had no turn yet waits no longer than the patience. Beside rows like itself a slow row gets a
        turn twice as long each time, so that also what must begin anew each time ends at last.
        """
        now = self._clock.monotonic()
        rivals: list[Any] = []
        ended: list[Turn[RowT]] = []
        for turn in turns:
            idle = turn.idle(now, int(LEAST_RATE * self.seconds))
            if turn.ended or idle < self.seconds:
                continue
            others = [other for other in turns if other is not turn and other not in ended]
            left_out = LeftOut.of([*beside, *(each.row.id for each in turns), *rivals], full(self._kind, others))
            longer = grown(1.0, LONGER, self._kind.turns_in_vain(turn.row))
            any_of_them = idle >= self.seconds * longer
            rival = await self._kind.rival(self._clock.wall(), left_out, turn.row, any_of_them=any_of_them)
            if rival is not None:
                rivals.append(rival.id)
                ended.append(turn)
        return ended

    async def end(self, turn: Turn[RowT]) -> None:
        """Note that the turn has been ended."""
        turn.look()
        await self._kind.yielded(turn)
