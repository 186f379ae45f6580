"""How many creates one client has: a minute's worth at once, and then one at a time."""

import pytest

from streamzip.errors import TooMany
from streamzip.guards import rates
from streamzip.guards.rates import Rate


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 100.0

    def wall(self) -> float:
        raise AssertionError("a rate does not follow the wall clock")

    def monotonic(self) -> float:
        return self.now


def refused(rate: Rate, client: str) -> int | None:
    """The seconds that the client is told to wait."""
    try:
        rate.check(client)
    except TooMany as problem:
        return problem.retry_after
    return None


def test_rate_takes_a_minutes_worth_at_once_and_then_one_at_a_time() -> None:
    """What was refused costs nothing, and after the time that was told one is left."""
    clock = Clock()
    rate = Rate(3, clock)
    assert [refused(rate, "a") for _ in range(5)] == [None, None, None, 21, 21]
    clock.now += 21
    assert [refused(rate, "a") for _ in range(2)] == [None, 20]
    clock.now += 600
    assert [refused(rate, "a") for _ in range(4)] == [None, None, None, 21]


def test_rate_of_one_client_is_not_that_of_another() -> None:
    """Nobody pays for somebody else."""
    rate = Rate(1, Clock())
    assert [refused(rate, client) for client in ("a", "b", "a")] == [None, None, 61]


def test_rate_remembers_so_many_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless row of addresses takes no endless memory; those that came last are known."""
    monkeypatch.setattr(rates, "MOST_CLIENTS", 2)
    rate = Rate(1, Clock())
    assert [refused(rate, client) for client in ("a", "b", "c", "c", "a")] == [None, None, None, 61, None]


def test_rate_lets_in_what_is_more_than_a_minutes_worth_and_counts_all_of_it() -> None:
    """A list longer than the limit comes in once its client has all left, and has to be waited for in full."""
    clock = Clock()
    rate = Rate(10, clock)
    rate.check("a", 30)
    with pytest.raises(TooMany) as early:
        rate.check("a", 1)
    assert early.value.retry_after == 127
    clock.now += 127
    rate.check("a", 1)
    with pytest.raises(TooMany):
        rate.check("a", 30)


def test_rate_of_none_refuses_nothing() -> None:
    """0 is no limit."""
    rate = Rate(0, Clock())
    for _ in range(100):
        rate.check("a", 1_000_000)
