"""A body that drips is given up, whoever waits; one that is read slowly is not."""

from collections.abc import AsyncIterator

import httpx
import pytest

from streamzip.clock import RateLimit
from streamzip.errors import OriginError
from streamzip.origins.counting import CountedChunks, LimitedChunks, Pace

PACE = Pace(rate=1000, window=30)


class Clock:
    """Monotonic seconds that move when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        raise AssertionError("a rate does not follow the wall clock")

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Dripping(httpx.AsyncByteStream):
    """`size` bytes, each `seconds` after it was asked for."""

    def __init__(self, clock: Clock, size: int, seconds: float) -> None:
        self._clock = clock
        self._size = size
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self._clock.now += self._seconds
            yield b"x" * self._size


async def test_a_body_that_drips_is_given_up_after_one_window() -> None:
    """A byte every 29 seconds passes every time-out; its connection is wanted for others."""
    clock = Clock()
    chunks = CountedChunks(Dripping(clock, 1, 29), None, PACE, clock)
    with pytest.raises(OriginError) as caught:
        async for _ in chunks:
            pass
    assert (caught.value.code, caught.value.transient) == ("too_slow", True)
    assert clock.now <= 60


async def test_a_body_that_keeps_its_pace_is_read_on() -> None:
    """As slow as is allowed is not too slow."""
    clock = Clock()
    chunks = CountedChunks(Dripping(clock, 1000, 1), None, PACE, clock)
    for _ in range(300):
        assert len(await anext(chunks)) == 1000


async def test_a_reader_s_own_time_is_not_held_against_the_origin() -> None:
    """A client that takes an hour for a megabyte gets it: the origin waited for it."""
    clock = Clock()
    chunks = CountedChunks(Dripping(clock, 1000, 0.001), None, PACE, clock)
    for _ in range(100):
        await anext(chunks)
        clock.now += 60


async def test_a_pace_is_not_asked_of_what_has_come_to_its_end() -> None:
    """The last bytes complete the file, however late they are."""
    clock = Clock()
    chunks = CountedChunks(Dripping(clock, 50, 40), 50, PACE, clock)
    assert len(await anext(chunks)) == 50


async def test_any_pace_is_good_enough_where_none_is_asked_for() -> None:
    """STREAMZIP_MIN_RATE=0."""
    clock = Clock()
    chunks = CountedChunks(Dripping(clock, 1, 29), None, Pace(0, 30), clock)
    for _ in range(100):
        await anext(chunks)


async def test_a_limit_slows_all_bodies_down_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one takes the other waits for; and what waits here is not too slow an origin."""
    clock = Clock()
    monkeypatch.setattr("streamzip.origins.counting.asyncio.sleep", clock.sleep)
    limit = RateLimit(100, clock)
    bodies = [
        LimitedChunks(CountedChunks(Dripping(clock, 1000, 0), None, PACE, clock), limit),
        LimitedChunks(CountedChunks(Dripping(clock, 1000, 0), None, PACE, clock), limit),
    ]
    for _ in range(10):
        for body in bodies:
            assert len(await anext(body)) == 1000
    assert clock.now == 19 * 10  # the first bytes go at once
