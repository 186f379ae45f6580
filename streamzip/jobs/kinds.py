"""What a kind of queued work tells the loop that does it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from streamzip.jobs.turns import Turn
from streamzip.retry import grown
from streamzip.store.queues import LeftOut


class Row(Protocol):
    """What is to be done."""

    @property
    def id(self) -> Any:
        """Return its name in its queue."""


RowT = TypeVar("RowT", bound=Row)

FIRST_REST: Final = 5.0  # seconds
LONGEST_REST: Final = 300.0

Share = tuple[str, str]  # what is shared, as "origin", and by whom, as "files.example:443"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of a queue are worked on in this process, and how many wait, by reason."""

    running: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)


class Kind(Protocol[RowT]):
    """One kind of rows: where they are kept, and what is to be done. Every method may raise the store's problems."""

    name: str  # in the plural, as the log calls it

    def shares(self, row: RowT) -> Mapping[Share, int]:
        """Return the shares of the slots that the row counts in, and how many rows each of them may hold."""

    async def due(self, now: float, left_out: LeftOut, *, limit: int) -> Sequence[RowT]:
        """Return rows whose time has come; none only where that of no other row has."""

    async def next_due(self, left_out: LeftOut) -> float | None:
        """Return when the first of the others is due (epoch s, it may be past); None where nothing else is queued."""

    def id_of(self, text: str) -> Any:
        """Return the id of a row that is written so."""

    async def claim(self, id: str, now: float) -> RowT | None:
        """Take the row up, where several processes work; None where it is not to be done now."""

    async def withdrawn(self, ids: Collection[Any]) -> Collection[Any]:
        """Return those of the rows that are no longer to be done."""

    async def work(self, turn: Turn[RowT]) -> None:
        """Do it, and note what became of it; where nothing was noted, it is due again."""

    async def waiting(self, now: float, left_out: LeftOut, *, no_room: bool) -> Mapping[str, int]:
        """Note of each row that is due why it waits, and return how many wait, by reason. `left_out`: those that are
        worked on, and the shares that have all that they may; `no_room`: no slot is free.
        """


class Yielding(Kind[RowT], Protocol[RowT]):
    """A kind whose rows may give up their slot, and be tried again later."""

    def turns_in_vain(self, row: RowT) -> int:
        """Return how many turns it had that did not end it."""

    async def rival(self, now: float, left_out: LeftOut, row: RowT, *, any_of_them: bool) -> RowT | None:
        """Return a row that waits for that one's slot; unless `any_of_them`, one that had fewer turns."""

    async def yielded(self, turn: Turn[RowT]) -> None:
        """Note that the turn was ended for another row's sake, and when its row may have the next one."""


def full(kind: Kind[RowT], turns: Iterable[Turn[RowT]]) -> list[Share]:
    """Return the shares that have as many rows under way as they may."""
    limits: dict[Share, int] = {}
    taken: Counter[Share] = Counter()
    for turn in turns:
        for share, limit in kind.shares(turn.row).items():
            taken[share] += 1
            limits[share] = limit
    return [share for share, count in taken.items() if count >= limits[share]]


def spare(slots: int) -> int:
    """Return how many of the slots one share may hold: a quarter of them, one at least, is left to others."""
    return max(1, slots - max(1, slots // 4))


def after_yielding(times: int) -> float:
    """Return the seconds for which a row rests that gave up its slot, and had done so so many `times` in a row."""
    return grown(FIRST_REST, LONGEST_REST, times)
