"""The gate before an origin: who is let in, and when."""

import asyncio
from functools import partial

import pytest

from streamzip.errors import OriginError
from streamzip.net.throttle import START
from streamzip.origins.gate import Gate
from streamzip.origins.lanes import Lanes

ORIGIN = "files.example:80"


async def test_gate_lets_more_in_for_each_answer_while_no_exchange_ends() -> None:
    """Slow readers hold their exchanges open: whoever came after the first 32 waited for one of them to end, and was
    told after a minute that nothing had come.
    """
    gate, answers = Gate(4 * START), asyncio.Event()
    entering = [asyncio.create_task(gate.through(ORIGIN, str(number), answers.wait)) for number in range(3 * START)]
    await asyncio.sleep(0)  # all of them stand there
    answers.set()
    done, waiting = await asyncio.wait(entering, timeout=5)
    assert not waiting
    assert len(done) == 3 * START
    for _ in done:
        gate.leave(ORIGIN)


async def test_gate_lets_no_more_in_at_once_than_its_ceiling() -> None:
    """However many answers come."""
    gate, answers = Gate(START), asyncio.Event()
    entering = [asyncio.create_task(gate.through(ORIGIN, str(number), answers.wait)) for number in range(START + 1)]
    await asyncio.sleep(0)
    answers.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert sum(task.done() for task in entering) == START
    gate.leave(ORIGIN)
    await asyncio.wait_for(asyncio.gather(*entering), 5)


async def test_gate_asks_twice_when_nobody_waits() -> None:
    """What is asked only because it may be wanted one day adds nothing to the load of a host that throttles."""
    gate, asked = Gate(START), 0

    async def refused() -> None:
        nonlocal asked
        asked += 1
        raise OriginError("http_429", "too many", transient=True)

    with pytest.raises(OriginError):
        await gate.through(ORIGIN, "a", refused, patient=False)
    assert asked == 2


async def test_gate_of_an_origin_that_throttles_leaves_the_connections_to_others() -> None:
    """Who waits for a host that lets in one after the other holds no connection that another host could have."""
    lanes = Lanes(START, total=START)
    gate, refusing = Gate(START, lanes=lanes), True

    async def ask() -> None:
        if refusing:
            raise OriginError("http_429", "too many", transient=True, retry_after=60.0)

    async def pull(number: int, origin: str) -> None:
        await lanes.enter(origin, lambda: True)
        try:
            await gate.through(origin, str(number), ask)
            gate.leave(origin)
        finally:
            lanes.leave(origin)

    first = [asyncio.create_task(pull(number, ORIGIN)) for number in range(4)]
    for _ in range(9):
        await asyncio.sleep(0)
    assert gate.waiting()
    later = [asyncio.create_task(pull(number, ORIGIN)) for number in range(4, 3 * START)]
    await asyncio.sleep(0)
    refusing = False
    await asyncio.wait_for(asyncio.gather(*(pull(number, "other.example:80") for number in range(START))), 5)
    for each in (*first, *later):
        each.cancel()
    await asyncio.wait((*first, *later))
    await asyncio.wait_for(asyncio.gather(*(lanes.enter("third.example:80", lambda: True) for _ in range(START))), 5)


async def test_gate_names_an_origin_whose_connections_alone_are_waited_for() -> None:
    """An archive is told what it waits for also while another one's slow readers hold all that the origin allows."""
    lanes, refusing = Lanes(20), False
    gate = Gate(16, lanes=lanes)

    async def ask() -> None:
        if refusing:
            raise OriginError("http_503", "too many", transient=True, retry_after=0.0)

    async def read(number: int) -> None:
        await lanes.enter(ORIGIN, lambda: True)
        try:
            await gate.through(ORIGIN, str(number), ask)
            await asyncio.Event().wait()  # for a reader that is slow to take it
        finally:
            lanes.leave(ORIGIN)

    reading = [asyncio.create_task(read(number)) for number in range(12)]
    await asyncio.sleep(0)
    refusing = True
    refused = [asyncio.create_task(read(number)) for number in range(12, 18)]
    await asyncio.sleep(0)
    for each in refused:  # their readers leave
        each.cancel()
    await asyncio.wait(refused)
    assert not gate.waiting()
    reading.append(asyncio.create_task(read(18)))
    await asyncio.sleep(0)
    assert [each.origin for each in gate.waiting()] == [ORIGIN]
    for each in reading:
        each.cancel()
    await asyncio.wait(reading)
    assert not gate.waiting()


async def test_gate_asks_again_when_a_host_still_counts_connections_that_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """403 to a request that is alone is meant; but not at once, of a host that has refused us for the others before."""
    gate, alone = Gate(START), iter(["refused", "refused", "let in"])
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)  # it pauses no longer

    async def refused(number: int) -> None:
        await asyncio.sleep(0)
        if number % 2 and not asked[number]:
            asked[number] = True
            raise OriginError("http_403", "no")

    async def late() -> None:
        if next(alone) == "refused":
            raise OriginError("http_403", "no")

    asked = [False] * 8
    async with asyncio.timeout(20):
        await asyncio.gather(*(gate.through(ORIGIN, f"{number}", partial(refused, number)) for number in range(8)))
        for _ in asked:
            gate.leave(ORIGIN)
        await gate.through(ORIGIN, "late", late)
