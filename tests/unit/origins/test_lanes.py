"""Connections per origin: how many, in which order, and what a cancelled one leaves behind."""

import asyncio

import pytest

from streamzip.origins.lanes import Lanes

ORIGIN = "http://files.example:80"


class Pull:
    """One that wants a connection; urgent while a reader stands at it."""

    def __init__(self, lanes: Lanes, *, urgent: bool = False, origin: str = ORIGIN) -> None:
        self.urgent = urgent
        self.entered = False
        self.task = asyncio.create_task(self._enter(lanes, origin))

    async def _enter(self, lanes: Lanes, origin: str) -> None:
        await lanes.enter(origin, lambda: self.urgent)
        self.entered = True


async def pulls(lanes: Lanes, count: int, *, urgent: bool = False, origin: str = ORIGIN) -> list[Pull]:
    """So many that came one after the other."""
    started = [Pull(lanes, urgent=urgent, origin=origin) for _ in range(count)]
    await turn()
    return started


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def entered(started: list[Pull]) -> list[int]:
    return [index for index, pull in enumerate(started) if pull.entered]


@pytest.mark.parametrize(("limit", "ahead"), [(1, 1), (2, 1), (4, 3), (8, 7), (32, 28)])
async def test_lanes_leave_an_eighth_to_parts_that_readers_stand_at(limit: int, ahead: int) -> None:
    """What is fetched ahead takes seven eighths; a waited-for part takes any; nothing passes the limit."""
    lanes = Lanes(limit)
    early = await pulls(lanes, limit + 2)
    assert entered(early) == list(range(ahead))
    urgent = await pulls(lanes, limit, urgent=True)
    assert entered(urgent) == list(range(limit - ahead))
    assert entered(early) == list(range(ahead))


async def test_lanes_let_the_waited_for_part_go_first() -> None:
    """A connection that comes free goes to the first urgent one, though others have waited longer."""
    lanes = Lanes(2)
    await pulls(lanes, 2, urgent=True)
    early, urgent = await pulls(lanes, 2), await pulls(lanes, 2, urgent=True)
    lanes.leave(ORIGIN)
    await turn()
    assert (entered(early), entered(urgent)) == ([], [0])
    lanes.leave(ORIGIN)
    await turn()
    assert (entered(early), entered(urgent)) == ([], [0, 1])


async def test_lanes_keep_the_order_of_those_that_nobody_stands_at() -> None:
    """Parts fetched ahead enter as they came, each as soon as one leaves."""
    lanes = Lanes(1)
    started = await pulls(lanes, 4)
    for gone in range(1, 4):
        lanes.leave(ORIGIN)
        await turn()
        assert entered(started) == list(range(gone + 1))


async def test_lanes_let_a_part_in_when_a_reader_comes_to_stand_at_it() -> None:
    """`nudge` gives the reserve out to what has become urgent while it waited, and to nothing else."""
    lanes = Lanes(4)
    started = await pulls(lanes, 6)
    lanes.nudge(ORIGIN)
    await turn()
    assert entered(started) == [0, 1, 2]
    started[5].urgent = True
    lanes.nudge(ORIGIN)
    await turn()
    assert entered(started) == [0, 1, 2, 5]


async def test_lanes_keep_the_reserve_free_when_an_urgent_one_leaves() -> None:
    """A place in the reserve is not given to what is fetched ahead."""
    lanes = Lanes(4)
    early = await pulls(lanes, 5)
    urgent = await pulls(lanes, 1, urgent=True)
    assert (entered(early), entered(urgent)) == ([0, 1, 2], [0])
    lanes.leave(ORIGIN)
    await turn()
    assert entered(early) == [0, 1, 2]
    lanes.leave(ORIGIN)
    await turn()
    assert entered(early) == [0, 1, 2, 3]


async def test_lanes_of_one_origin_are_not_those_of_another() -> None:
    """A slow origin holds nobody up but its own."""
    lanes = Lanes(1)
    here, there = await pulls(lanes, 2), await pulls(lanes, 2, origin="http://other.example:80")
    assert (entered(here), entered(there)) == ([0], [0])
    lanes.leave(ORIGIN)
    await turn()
    assert (entered(here), entered(there)) == ([0, 1], [0])


async def test_lanes_lose_no_connection_to_one_that_is_cancelled_while_it_waits() -> None:
    """It is passed over, and the next one enters."""
    lanes = Lanes(1)
    started = await pulls(lanes, 3)
    started[1].task.cancel()
    await turn()
    lanes.leave(ORIGIN)
    await turn()
    assert entered(started) == [0, 2]


async def test_lanes_lose_no_connection_to_one_that_is_cancelled_as_it_is_let_in() -> None:
    """Its turn had been given in the same tick: it goes on to the next one."""
    lanes = Lanes(1)
    started = await pulls(lanes, 3)
    lanes.leave(ORIGIN)
    started[1].task.cancel()
    await turn()
    assert entered(started) == [0, 2]


async def test_lanes_lose_no_connection_to_one_that_is_let_in_as_it_is_cancelled() -> None:
    """The other way about: a cancelled one that still stands in the queue takes no turn."""
    lanes = Lanes(1)
    started = await pulls(lanes, 3)
    started[1].task.cancel()
    lanes.leave(ORIGIN)
    await turn()
    assert entered(started) == [0, 2]


async def test_lanes_are_as_new_when_all_have_left() -> None:
    """Origins that nobody pulls from are forgotten, and the next one finds every connection free."""
    lanes = Lanes(3)
    started = await pulls(lanes, 3)
    started[2].task.cancel()
    await turn()
    lanes.leave(ORIGIN)
    lanes.leave(ORIGIN)
    lanes.nudge(ORIGIN)
    assert lanes._origins == {}
    assert entered(await pulls(lanes, 3)) == [0, 1]


ORIGINS = [f"http://files-{number}.example:80" for number in range(6)]


async def test_lanes_give_all_origins_together_no_more_than_the_total() -> None:
    """Descriptors are one purse for all origins: an eighth is kept for parts that readers stand at here too."""
    lanes = Lanes(2, total=4)
    early = [pull for origin in ORIGINS for pull in await pulls(lanes, 1, origin=origin)]
    assert entered(early) == [0, 1, 2]
    urgent = await pulls(lanes, 2, urgent=True, origin=ORIGINS[5])
    assert entered(urgent) == [0]
    lanes.leave(ORIGINS[5])
    await turn()
    assert entered(urgent) == [0, 1]


async def test_lanes_serve_the_origins_in_turn_when_the_total_is_taken() -> None:
    """One that has much to give does not keep the others out."""
    lanes = Lanes(8, total=2)
    busy = await pulls(lanes, 4, origin=ORIGINS[0])
    others = [pull for origin in ORIGINS[1:3] for pull in await pulls(lanes, 1, origin=origin)]
    assert (entered(busy), entered(others)) == ([0], [])
    lanes.leave(ORIGINS[0])
    await turn()
    assert (entered(busy), entered(others)) == ([0], [0])
    lanes.leave(ORIGINS[1])
    await turn()
    assert (entered(busy), entered(others)) == ([0], [0, 1])
    lanes.leave(ORIGINS[2])
    await turn()
    assert (entered(busy), entered(others)) == ([0, 1], [0, 1])
