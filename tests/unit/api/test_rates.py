"""How many creates one client has: a minute's worth at once, and then one at a time."""

import pytest

from streamzip.api import rates
from streamzip.api.rates import CreateRate
from streamzip.errors import TooMany


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 100.0

    def wall(self) -> float:
        raise AssertionError("a rate does not follow the wall clock")

    def monotonic(self) -> float:
        return self.now


def refused(rate: CreateRate, client: str) -> int | None:
    """The seconds that the client is told to wait."""
    try:
        rate.check(client)
    except TooMany as problem:
        return problem.retry_after
    return None


def test_rate_takes_a_minutes_worth_at_once_and_then_one_at_a_time() -> None:
    """What was refused costs nothing, and after the time that was told one is left."""
    clock = Clock()
    rate = CreateRate(3, clock)
    assert [refused(rate, "a") for _ in range(5)] == [None, None, None, 21, 21]
    clock.now += 21
    assert [refused(rate, "a") for _ in range(2)] == [None, 20]
    clock.now += 600
    assert [refused(rate, "a") for _ in range(4)] == [None, None, None, 21]


def test_rate_of_one_client_is_not_that_of_another() -> None:
    """Nobody pays for somebody else."""
    rate = CreateRate(1, Clock())
    assert [refused(rate, client) for client in ("a", "b", "a")] == [None, None, 61]


def test_rate_remembers_so_many_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless row of addresses takes no endless memory; those that came last are known."""
    monkeypatch.setattr(rates, "MOST_CLIENTS", 2)
    rate = CreateRate(1, Clock())
    assert [refused(rate, client) for client in ("a", "b", "c", "c", "a")] == [None, None, None, 61, None]
