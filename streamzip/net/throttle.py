"""How much one origin is asked at once, and how fast: what it refuses makes it less, what it answers makes it more.

Pure: times are given, in seconds of any clock that does not jump. Additive up, multiplicative down, as TCP does it
(RFC 5681). Refusals may come of too many connections or of too many requests: both are looked for. Until an origin has
refused, it is asked for more at once as long as it keeps up, up to a polite ceiling.
"""

from collections import deque
from typing import Final

from streamzip.retry import grown

START: Final = 32  # exchanges at once with an origin that nothing is known of
RECENT: Final = 2.0  # seconds whose answers tell whether an origin throttles
SUSPICIOUS: Final = 0.25  # of its answers are refusals, and not of one file alone
SLOWEST: Final = 0.5  # requests a second
FREE: Final = 1000.0  # requests a second that need no pacing any more
GAINS: Final = 6  # answers, and
GAIN_AFTER: Final = 1.0  # seconds, before an origin that has refused is asked for more
HOLD: Final = 10.0  # seconds after a refusal before as much is asked again
LONGEST_PAUSE: Final = 8.0  # seconds without being asked to wait so long


class Throttle:
    """One origin. `ceiling`: exchanges at once, at most."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.width = float(min(START, ceiling))  # exchanges at once
        self.rate: float | None = None  # requests a second; None: unpaced
        self.open = 0
        self.why = ""  # the code of the last refusal
        self.throttles = False  # it has refused, and more than single files
        self.not_before = 0.0
        self._next = 0.0
        # Answers: when each came, for which file, and whether it was a refusal.
        self._recent: deque[tuple[float, str, bool]] = deque(maxlen=512)
        self._refused_in_a_row = 0
        self._cut_at = 0.0
        self._gained_at = 0.0
        self._gains = 0
        self._gained = 0  # times in a row
        self._too_wide = float(ceiling) + 1  # was refused
        self._too_fast = FREE

    def ready_at(self) -> float | None:
        """Return when the next request may begin; None: not before one has ended."""
        if self.open >= max(1, int(self.width)):
            return None
        return max(self.not_before, self._next)

    def begin(self, now: float) -> None:
        """Count an exchange from its request on."""
        self.open += 1
        if self.rate is not None:
            self._next = max(now, self._next) + 1 / self.rate

    def end(self) -> None:
        """Count an exchange no longer."""
        self.open -= 1

    def answered(self, now: float, file: str) -> None:
        """Note that the origin let a request through: after some of them, ask for more."""
        self._recent.append((now, file, False))
        self._refused_in_a_row = 0
        if not self.throttles:
            if self.open >= int(self.width):
                self.width = min(self.ceiling, self.width + 1)
            return
        self._gains += 1
        few = self.rate is not None and self.rate < 2
        if now - self._gained_at < GAIN_AFTER or self._gains < (GAINS // 2 if few else GAINS):
            return
        self._gained_at, self._gains, self._gained = now, 0, self._gained + 1
        held = now - self._cut_at < HOLD
        if not held or self.width + 1 < self._too_wide:
            self.width = min(self.ceiling, self.width + 1)
        if self.rate is not None:
            # Where nothing was refused for long, the limit is gone or far off.
            faster = self.rate + (self.rate if self._gained > 4 else max(0.5, self.rate / 4))
            self.rate = min(faster, 0.9 * self._too_fast) if held else faster
            if self.rate > FREE:
                self.rate = None

    def refused(self, now: float, file: str, why: str, *, began: float, wait: float | None) -> None:
        """Note that the origin refused a request that began at `began`, and asked to wait so long, if it did."""
        self._recent.append((now, file, True))
        if not self.throttles and not self._suspicious(now):
            return
        self.why = why
        if wait is not None:
            self.not_before = max(self.not_before, now + wait)
        if began < self._cut_at:
            return  # asked before the last cut: what that answered, too
        self._refused_in_a_row += 1
        if self._refused_in_a_row > 1 and wait is None:
            pause = grown(0.25, LONGEST_PAUSE, self._refused_in_a_row)
            self.not_before = max(self.not_before, now + pause)
        self._cut(now, by_rate=why == "http_429" or self.open <= 1)

    def _cut(self, now: float, *, by_rate: bool) -> None:
        share, passed = self._passed(now)
        self._too_wide = max(2.0, float(self.open + 1))
        self.width = max(1.0, self.width * (0.5 if self.throttles else min(0.5, share)))
        if by_rate and passed:  # a host that lets nothing through tells no pace
            self._too_fast = max(SLOWEST, passed / RECENT if self.rate is None else self.rate)
            self.rate = max(SLOWEST, 0.8 * self._too_fast if self.rate is None else 0.7 * self._too_fast)
            self._next = max(self._next, now + 1 / self.rate)
        self.throttles = True
        self._cut_at = self._gained_at = now
        self._gains = self._gained = 0

    def relax(self) -> None:
        """Forget what was cut: the refusals were no word about how much was asked."""
        self.throttles, self.rate, self.width = False, None, float(min(START, self.ceiling))
        self._refused_in_a_row = 0
        self.not_before = self._next = 0.0
        self._recent.clear()

    def note_refusal(self, now: float, file: str) -> None:
        """Count a refusal that is about its file."""
        self._recent.append((now, file, True))

    def is_about_file(self, file: str, since: float) -> bool:
        """Return whether only this file is refused, since a while before `since`: the others get through."""
        others = [refused for at, other, refused in self._recent if other != file and at >= since - RECENT]
        passed = others.count(False)
        return passed >= 2 and passed >= 4 * others.count(True)

    def lets_through(self, now: float, within: float) -> bool:
        """Return whether anything got through lately."""
        return any(not refused and now - at <= within for at, _, refused in self._recent)

    def _suspicious(self, now: float) -> bool:
        recent = [(file, refused) for at, file, refused in self._recent if now - at <= RECENT]
        files = {file for file, refused in recent if refused}
        return len(files) > 1 and sum(refused for _, refused in recent) >= SUSPICIOUS * len(recent)

    def _passed(self, now: float) -> tuple[float, int]:
        """Return which share of the recent requests got through, and how many."""
        recent = [refused for at, _, refused in self._recent if now - at <= RECENT]
        return recent.count(False) / max(1, len(recent)), recent.count(False)
