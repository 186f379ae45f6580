"""The gate before an origin: who is let in, and when."""

import asyncio

from streamzip.net.throttle import START
from streamzip.origins.gate import Gate

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
