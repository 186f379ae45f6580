"""Work for many askers: once for those that come together, and never an answer from before a question."""

import asyncio

import pytest

from streamzip.archives.joined import Joined


class Work:
    """Gives the number of its run, once it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.go = asyncio.Event()
        self.begun = [asyncio.Event() for _ in range(5)]

    async def __call__(self, _: str) -> int:
        self.runs += 1
        run = self.runs
        self.begun[run].set()
        await self.go.wait()
        if run == 3:
            raise LookupError
        return run


async def test_askers_share_the_run_that_begins_after_they_asked() -> None:
    """One that runs already may have seen nothing of what happened since: the next one, for all who came meanwhile."""
    work = Work()
    joined = Joined(work)
    first = asyncio.create_task(joined("a"))
    await work.begun[1].wait()
    later = [asyncio.create_task(joined("a")) for _ in range(5)]
    other = asyncio.create_task(joined("b"))
    await work.begun[2].wait()
    work.go.set()
    assert await first == 1
    assert await other == 2
    assert {type(result) for result in await asyncio.gather(*later, return_exceptions=True)} == {LookupError}
    assert work.runs == 3
    assert await joined("a") == 4


async def test_asker_that_leaves_takes_nothing_from_the_others() -> None:
    """The run goes on for whoever waits still."""
    work = Work()
    joined = Joined(work)
    leaving, staying = asyncio.create_task(joined("a")), asyncio.create_task(joined("a"))
    await work.begun[1].wait()
    leaving.cancel()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await staying == 2
