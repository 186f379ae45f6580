"""A rate: as many bytes as time allows, by a clock that cannot be set back."""

from streamzip.clock import RateLimit


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 100.0

    def wall(self) -> float:
        raise AssertionError("a rate does not follow the wall clock")

    def monotonic(self) -> float:
        return self.now


def test_rate_limit_waits_as_long_as_what_went_before_takes() -> None:
    """The first bytes go at once, the next when the first have had their time."""
    clock = Clock()
    limit = RateLimit(1000, clock)
    assert limit.wait(500) == 0
    assert limit.wait(250) == 0.5
    clock.now += 0.75
    assert limit.wait(1) == 0


def test_rate_limit_does_not_make_up_for_time_that_was_not_used() -> None:
    """After a pause the pace is what it was: no burst."""
    clock = Clock()
    limit = RateLimit(1000, clock)
    limit.wait(100)
    clock.now += 60
    assert limit.wait(1000) == 0
    assert limit.wait(1000) == 1
