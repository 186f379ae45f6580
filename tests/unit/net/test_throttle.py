"""The throttle against models of hosts, on a clock that the test turns."""

import heapq
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.net.throttle import Throttle


@dataclass
class Host:
    """So many requests in each second, and so many exchanges at once; the rest is refused with `code`."""

    rate: int | None = None
    at_once: int | None = None
    latency: float = 0.05
    code: str = "http_429"
    closed_until: float = 0.0
    busy: int = 0
    passed: "deque[float]" = field(default_factory=deque)

    def refuses(self, now: float) -> bool:
        """Judge a request."""
        while self.passed and now - self.passed[0] >= 1:
            self.passed.popleft()
        if (self.rate is not None and len(self.passed) >= self.rate) or self.busy == self.at_once:
            return True
        if now < self.closed_until:
            return True
        self.passed.append(now)
        self.busy += 1
        return False


@dataclass
class Run:
    """How it went: each answer's time and whether it was a refusal; the most exchanges at once; the time at its end."""

    answers: list[tuple[float, bool]]
    widest: int
    now: float

    def refused_after(self, seconds: float) -> float:
        """Return the share of refusals among the later answers."""
        late = [refused for at, refused in self.answers if at > seconds]
        return sum(late) / max(1, len(late))


def run(host: Host, files: int, ceiling: int = 128) -> Run:
    """Ask a host for so many files, each until it is had."""
    throttle, now, widest, number = Throttle(ceiling), 0.0, 0, 0
    waiting, under_way = deque(range(files)), []  # type: ignore[var-annotated]
    answers: list[tuple[float, bool]] = []
    while waiting or under_way:
        ready = throttle.ready_at() if waiting else None
        if ready is not None and (not under_way or max(ready, now) <= under_way[0][0]):
            now, number = max(now, ready), number + 1
            throttle.begin(now)
            widest = max(widest, throttle.open)
            heapq.heappush(under_way, (now + host.latency, number, waiting.popleft(), host.refuses(now), now))
            continue
        now, _, file, refused, began = heapq.heappop(under_way)
        answers.append((now, refused))
        if refused:
            throttle.refused(now, str(file), host.code, began=began, wait=None)
            waiting.appendleft(file)
        else:
            throttle.answered(now, str(file))
            host.busy -= 1
        throttle.end()
    return Run(answers, widest, now)


@pytest.mark.parametrize("rate", [1, 5, 20, 100])
def test_throttle_finds_the_rate_that_a_host_allows(rate: int) -> None:
    """All that the host gives in two thirds of the time that is possible, and few refusals after ten seconds."""
    ran = run(Host(rate=rate), files=60 * rate)
    assert ran.now < 90
    assert ran.refused_after(10) < 0.2


@pytest.mark.parametrize("code", ["http_503", "http_403", "unreachable"])
@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_throttle_finds_how_many_exchanges_a_host_allows(at_once: int, code: str) -> None:
    ran = run(Host(at_once=at_once, latency=0.1, code=code), files=300 * at_once)
    assert ran.now < 60
    assert ran.refused_after(10) < 0.2


def test_throttle_widens_where_a_host_keeps_up() -> None:
    """2,000 files over 50 ms in less than the second that 32 at once would take three of."""
    ran = run(Host(), files=2000)
    assert (ran.widest, ran.now < 1.0) == (128, True)


@pytest.mark.parametrize("closed", [1.0, 60.0])
def test_throttle_goes_on_at_once_when_a_host_lets_through_again(closed: float) -> None:
    """It refused everything for a while, which told nothing of the pace that it allows."""
    ran = run(Host(closed_until=closed), files=50)
    assert ran.now < closed + 8.0 + 5.0  # the longest pause, and the files


@settings(max_examples=60, deadline=None)
@given(
    rate=st.none() | st.integers(1, 50),
    at_once=st.none() | st.integers(1, 40),
    latency=st.floats(0.001, 2.0),
    ceiling=st.integers(1, 200),
    code=st.sampled_from(["http_429", "http_503"]),
)
def test_throttle_always_gets_everything_and_never_passes_its_ceiling(
    rate: int | None, at_once: int | None, latency: float, ceiling: int, code: str
) -> None:
    """Whatever a host allows, all files come, and no more exchanges than the ceiling are open."""
    ran = run(Host(rate, at_once, latency, code), files=60, ceiling=ceiling)
    assert sum(not refused for _, refused in ran.answers) == 60
    assert ran.widest <= ceiling


def test_throttle_does_not_slow_a_host_for_a_single_file() -> None:
    """A file that is always refused among others that are not says nothing about us."""
    throttle = Throttle(128)
    for number in range(100):
        throttle.begin(number * 0.1)
        throttle.answered(number * 0.1, f"{number}")
        throttle.end()
        throttle.begin(number * 0.1)
        throttle.refused(number * 0.1, "bad", "http_503", began=number * 0.1, wait=None)
        throttle.end()
    assert (throttle.throttles, throttle.rate, throttle.ready_at()) == (False, None, 0.0)
    assert throttle.is_about_file("bad", 9.0)
    assert not throttle.is_about_file("another", 9.0)


def test_throttle_waits_as_long_as_it_was_asked_to() -> None:
    """Nothing is asked before Retry-After is over."""
    throttle = Throttle(128)
    for number in range(4):
        throttle.begin(1.0)
        throttle.refused(1.0, f"{number}", "http_429", began=1.0, wait=30.0)
        throttle.end()
    ready = throttle.ready_at()
    assert ready is not None
    assert ready >= 31.0


def test_throttle_cuts_once_for_all_that_was_asked_before() -> None:
    """Thirty refusals of one moment are one word."""
    throttle = Throttle(64)
    for _ in range(32):
        throttle.begin(0.0)
    for number in range(8):
        throttle.answered(0.1, f"{number}")
    throttle.refused(0.1, "a", "http_503", began=0.0, wait=None)
    throttle.refused(0.1, "b", "http_503", began=0.0, wait=None)
    throttle.refused(0.1, "c", "http_503", began=0.0, wait=None)
    width = throttle.width
    for number in range(20):
        throttle.refused(0.1, f"r{number}", "http_503", began=0.0, wait=None)
    assert throttle.width == width >= 1
