"""Time as the gateway sees it: wall time for what people read and sign, monotonic time for waits, leases and rates."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time. Tests hand in one that they turn themselves."""

    def wall(self) -> float:
        """Return seconds since the epoch; it may jump when the machine's clock is set."""

    def monotonic(self) -> float:
        """Return seconds that only grow; for waits, leases and rates."""


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    monotonic = staticmethod(time.monotonic)  # as it is: it is asked for each chunk


class RateLimit:
    """When the next bytes may go, of so many a second. `rate`: bytes per second."""

    def __init__(self, rate: int, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._next = clock.monotonic()

    def wait(self, count: int) -> float:
        """Return the seconds to wait before these `count` bytes go; time that was not used is not made up for."""
        now = self._clock.monotonic()
        start = max(now, self._next)
        self._next = start + count / self._rate
        return start - now


def rfc3339(seconds: float) -> str:
    """Return the instant as RFC 3339 in UTC with whole seconds: `2026-05-01T10:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
