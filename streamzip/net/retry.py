"""When to try again: pure, so that a test can read the times instead of waiting for them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_tz
from functools import lru_cache

LONGEST_RETRY_AFTER = 60.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How many attempts, and the seconds between them: `base`, growing by `factor` up to `cap`, each with jitter.

    `jitter` gives a factor around 1: many entries of one origin fail together and must not return together.
    """

    attempts: int
    base: float
    cap: float
    jitter: Callable[[], float]
    factor: float = 2.0

    def delay(self, failures: int, retry_after: float | None = None) -> float | None:
        """Seconds to wait after `failures` in a row, no less than what the origin asked for; None: give up."""
        if failures >= self.attempts:
            return None
        # The exponent is bounded because a float is: 2.0 ** 1024 raises OverflowError.
        growing = min(self.cap, self.base * self.factor ** min(failures - 1, 64))
        return max(growing * self.jitter(), retry_after or 0.0)


def retry_after(value: str, now: float, *, longest: float = LONGEST_RETRY_AFTER) -> float | None:
    """Seconds that a Retry-After field asks for (RFC 9110, 10.2.3: a number or a date), at most `longest`; None:
    unreadable.

    `now`: wall time in seconds since the epoch. The cap is there because an origin may name a year.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        # Twelve digits are past any cap, and int() raises at 4,301.
        return min(float(text.lstrip("0")[:12] or "0"), longest)
    date = http_date(text)
    return None if date is None else min(max(0.0, date - now), longest)


@lru_cache(maxsize=4096)  # a file's date comes with each of its answers: at the probe, and for every part
def http_date(value: str) -> int | None:
    """An HTTP-date (RFC 9110, 5.6.7), in any of its three forms, as seconds since the epoch; None: unreadable."""
    parsed = parsedate_tz(value)
    if parsed is None:
        return None
    year, month, day, hour, minute, second = parsed[:6]
    try:
        # A leap second, which the grammar allows, is no second of POSIX time.
        instant = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        return int(instant.timestamp()) - (parsed[9] or 0)
    except (ValueError, OverflowError):
        return None
