"""A row's turn at a slot, and how far its work has come in it."""

from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

RowT = TypeVar("RowT")


class Measured(Protocol):
    """Work that tells how far it has come."""

    def amount(self) -> int | None:
        """Return the bytes that are there; None where it has not begun."""


@dataclass(slots=True)
class Turn(Generic[RowT]):
    """The row, and what its work has brought since `began` (monotonic s). `measured` is set once there is something to
    measure; `ended` where the turn is ended for another row's sake.
    """

    row: RowT
    began: float
    measured: Measured | None = None
    ended: bool = False
    _first: int | None = None
    _mark: int = 0
    _marked_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._marked_at = self.began

    @property
    def gained(self) -> int | None:
        """Return the bytes that came in this turn, as far as was looked; None where nothing has begun."""
        return None if self._first is None else self._mark - self._first

    def idle(self, now: float, least: int) -> float:
        """Return the seconds since `least` bytes were last brought in one go, or the work began."""
        amount = None if self.measured is None else self.measured.amount()
        if amount is not None:
            if self._first is None:
                self._first = self._mark = amount
            if amount - self._mark >= least:
                self._mark, self._marked_at = amount, now
        return now - self._marked_at

    def look(self) -> None:
        """Count all that has come so far, however little."""
        amount = None if self.measured is None else self.measured.amount()
        if amount is not None:
            self._first = amount if self._first is None else self._first
            self._mark = amount
