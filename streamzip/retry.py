"""How long to wait before another attempt: pure, so that a test can read the times instead of waiting for them."""

import random
from collections.abc import Callable
from dataclasses import dataclass


def grown(first: float, longest: float, times: int, *, factor: float = 2.0) -> float:
    """Return `first`, grown by `factor` so many `times`, at most `longest`."""
    # The exponent is bounded because a float is: 2.0 ** 1024 raises OverflowError.
    return min(longest, first * factor ** min(times, 64))


def spread(part: float) -> Callable[[], float]:
    """Return what gives factors around 1, as far off as `part`: those that failed together must not return together."""
    return lambda: random.uniform(1.0 - part, 1.0 + part)  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Backoff:
    """How many attempts, and the seconds between them: `base`, growing by `factor` up to `cap`, each with jitter.

    `jitter` gives a factor around 1.
    """

    attempts: int
    base: float
    cap: float
    jitter: Callable[[], float]
    factor: float = 2.0

    def delay(self, failures: int, retry_after: float | None = None) -> float | None:
        """Return the seconds to wait after `failures` in a row, no less than what was asked for; None: give up."""
        if failures >= self.attempts:
            return None
        growing = grown(self.base, self.cap, failures - 1, factor=self.factor)
        return max(growing * self.jitter(), retry_after or 0.0)
