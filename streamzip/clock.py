"""Time as the gateway sees it: wall time for what people read and sign, monotonic time for waits and leases."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time. Tests hand in one that they turn themselves."""

    def wall(self) -> float:
        """Seconds since the epoch; it may jump when the machine's clock is set."""

    def monotonic(self) -> float:
        """Seconds that only grow; for waits, leases and rates."""


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some point, never set back."""
        return time.monotonic()


def rfc3339(seconds: float) -> str:
    """The instant as RFC 3339 in UTC with whole seconds: `2026-05-01T10:00:00Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
