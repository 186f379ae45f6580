"""How far ahead of each reader parts are pulled: as far as it helps, out of what all readers of a process share.

A reach begins small, so that the first byte waits for little, and bytes are passed on while they are in the processor's
cache. It opens while its reader waits: within the wait, for an origin that is far away; after it, as long as the bytes
come faster for it (TCP's congestion control looks for its window in the same way; so does BBR, by the rate that each
doubling gains). It closes where its reader never waits.

Pure: times are given, in seconds of any clock that does not jump.
"""

from dataclasses import dataclass
from typing import Final

# One step of a reach. With fewer parts the event loop would wake for each of them: a third more CPU for small files.
PARTS: Final = 16
SIZE: Final = 1 << 20  # bytes
FIRST: Final = 4  # parts, until the first bytes have come: each that is begun before them delays them

LOOK: Final = (
    0.003  # seconds of one wait after which it opens; then after twice as long, before the first bytes as long
)
STALL: Final = 0.25  # seconds amid a part's bytes, from which on a wait is the origin's and not this machine's
ROUND: Final = 0.01  # seconds that a rate is measured for, at least
LONGEST: Final = 8  # steps that a round takes, where it is no shorter than that: what is too wide is to close soon
PART_COST: Final = 64 << 10  # bytes that take as long as a part's exchange does, about
WAITS: Final = 1 / 8  # of a round, from which on the reader waits for bytes
CALM: Final = 4  # rounds without that, after which it closes
GAIN: Final = 1.25  # times the rate, by which an opening is worth it
LOSS: Final = 0.9  # times the rate, down to which a closing costs nothing
HOLD: Final = 0.5  # seconds after a trial in vain; twice as long after each further one
LONGEST_HOLD: Final = 30.0


@dataclass(frozen=True, slots=True)
class Bound:
    """How far ahead of one reader parts are pulled at most, whichever is met first; `steps`: of all readers together,
    as long as each has one.
    """

    parts: int = 128
    size: int = 48 << 20  # bytes
    steps: int = 48

    @property
    def widest(self) -> int:
        """Return the steps of the widest reach."""
        return max(1, -(-self.parts // PARTS), -(-self.size // SIZE))


class Reaches:
    """All readers' reaches: what one does not need another may have; where all need more, each has as much."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self._readers = 0
        self._steps = 0  # of all of them

    def enter(self, steps: int) -> None:
        """Count one reader more, whose reach is so wide."""
        self._readers += 1
        self._steps += steps

    def leave(self, steps: int) -> None:
        """Count one reader fewer, whose reach was so wide."""
        self._readers -= 1
        self._steps -= steps

    def most(self, mine: int) -> int:
        """Return how wide a reach may be that is `mine` steps wide."""
        fair = self.bound.steps // max(1, self._readers)
        return max(1, min(self.bound.widest, max(fair, mine + self.bound.steps - self._steps)))

    def count(self, steps: int) -> None:
        """Count so many steps more, or fewer."""
        self._steps += steps


@dataclass(frozen=True, slots=True)
class _Trial:
    before: int  # steps
    rate: float  # that they gave
    grown: bool


class Reach:
    """One reader's reach, `width` steps wide."""

    def __init__(self, reaches: Reaches) -> None:
        self._reaches = reaches
        self.width = 0  # until the first bytes have come
        self._open = False
        self._waiting: float | None = None  # since then
        self._look_at = 0.0
        self._late = False
        self._flowing = False
        self._fed = False  # the first bytes have come
        self._left = SIZE  # work until the next look at the rate
        self._settling = True  # what comes was asked for by an earlier width
        self._began = 0.0  # this round
        self._work = 0
        self._waited = 0.0
        self._rate = 0.0  # of the last round
        self._calm = 0
        self._trial: _Trial | None = None
        self._upwards = True
        self._held_until = 0.0
        self._hold = HOLD

    def begin(self) -> None:
        """Take a share of what all readers may have."""
        if not self._open:
            self._open = True
            self._reaches.enter(self.width)

    def close(self) -> None:
        """Give the share back."""
        if self._open:
            self._open = False
            self._reaches.leave(self.width)

    @property
    def parts(self) -> int:
        """Return how many parts are pulled at once."""
        return min(self._reaches.bound.parts, PARTS * self.width or FIRST)

    @property
    def size(self) -> int:
        """Return how many bytes ahead of its reader are pulled."""
        return min(self._reaches.bound.size, SIZE * max(1, self.width))

    # -- waits -------------------------------------------------------------------------------------------

    def wait(self, now: float, *, flowing: bool = False) -> None:
        """Note that the reader stands and waits; `flowing`: at a part of which there are bytes."""
        self._waiting, self._look_at, self._late, self._flowing = now, now + LOOK, False, flowing

    def came(self, now: float) -> None:
        """Note that it has what it waited for."""
        if self._waiting is not None:
            self._waited += now - self._waiting
            self._waiting = None

    @property
    def look_at(self) -> float | None:
        """Return when to `look` at the reader that waits; None where it does not."""
        return None if self._waiting is None else self._look_at

    def look(self, now: float) -> bool:
        """Open where the reader has waited for long; return whether it did."""
        if self._waiting is None or now < self._look_at:
            return False
        if now > self._look_at + LOOK and not self._late:
            # It is this process that comes late: what its reader waits for may be there, and is seen in a moment.
            self._late, self._look_at = True, now + LOOK / 4
            return False
        # Before the first bytes it is the way to the origin; later it may be a stall, which this would not help. Amid a
        # part's bytes short ones are hardly anything else: of a busy machine each would open all of it.
        again = now - self._waiting if self._fed else LOOK
        self._late, self._look_at = False, now + (max(again, STALL) if self._flowing else again)
        return self._try(2 * self.width, now)

    # -- rounds ------------------------------------------------------------------------------------------

    def took(self, size: int, parts: int, now: float) -> bool:
        """Note that the reader was handed `size` bytes and has passed `parts` parts; return whether the reach is
        another one now.
        """
        self._fed = True
        if not self.width:
            self._set(1)
            return True
        work = size + PART_COST * parts
        self._work += work
        self._left -= work
        if self._left > 0:
            return False
        if not self._settling and now - self._began < ROUND:
            self._left = self.width * SIZE // 4
            return False
        width = self.width
        if not self._settling:
            self._end_round(now)
        self._begin_round(now)
        return self.width != width

    def _end_round(self, now: float) -> None:
        elapsed = now - self._began
        self._rate = self._work / elapsed
        most = self._reaches.most(self.width)
        if self.width > most:
            self._set(most)
        elif self._waited < WAITS * elapsed:
            self._trial, self._calm = None, self._calm + 1
            if self._calm >= CALM:
                self._set(max(1, self.width // 2))
        else:
            self._calm = 0
            self._judge(now)

    def _judge(self, now: float) -> None:
        """Keep what a trial gained, undo what it did not, and try further."""
        trial, self._trial = self._trial, None
        if trial is not None:
            if self._rate < trial.rate * (GAIN if trial.grown else LOSS):
                self._set(trial.before)
                self._upwards = not trial.grown
                self._held_until = now + self._hold
                self._hold = min(LONGEST_HOLD, 2 * self._hold)
                return
            self._hold = HOLD
        if now >= self._held_until and not self._try(2 * self.width if self._upwards else self.width // 2, now):
            self._upwards = not self._upwards
            self._held_until = now + self._hold
            self._hold = min(LONGEST_HOLD, 2 * self._hold)

    def _try(self, width: int, now: float) -> bool:
        width = max(1, min(width, self._reaches.most(self.width)))
        if width == self.width:
            return False
        if self._rate and self._trial is None:
            self._trial = _Trial(self.width, self._rate, width > self.width)
        self._set(width)
        return True

    def _set(self, width: int) -> None:
        if self._open:
            self._reaches.count(width - self.width)
        self.width = width
        self._calm = 0
        self._settling = True
        self._left = self.width * SIZE

    def _begin_round(self, now: float) -> None:
        self._settling = False
        self._began, self._work, self._waited = now, 0, 0.0
        self._left = min(self.width, LONGEST) * SIZE
