"""Time as a database server tells it, so that nodes whose clocks differ agree on what is due and what is over."""

from streamzip.clock import Clock


class ServerClock:
    """A clock whose wall time is the server's: asked for now and then, and counted on by the monotonic clock between.

    This machine's own wall time, and any jump of it, has no part in it.
    """

    def __init__(self, local: Clock) -> None:
        self._local = local
        self._base = 0.0  # the server's wall time where the monotonic clock is 0

    def learn(self, told: float, asked: float, answered: float) -> None:
        """Set it by what the server told (epoch s) between two moments of the monotonic clock."""
        self._base = told - (asked + answered) / 2

    def wall(self) -> float:
        """Return the server's time: seconds since the epoch."""
        return self._base + self._local.monotonic()

    def monotonic(self) -> float:
        """Return seconds since some point, never set back."""
        return self._local.monotonic()
