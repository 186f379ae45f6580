"""What a reader wants while it reads: the parts before it, as far as its window and its range reach."""

import asyncio
from contextlib import ExitStack, aclosing
from types import SimpleNamespace
from typing import cast

from streamzip.archive.filling import Chunk, Filling, Window, Works, part_lengths
from streamzip.archive.places import Places
from streamzip.archive.reading import Reader
from streamzip.archive.runs import SMALLEST, Runs
from streamzip.manifest.model import Manifest
from streamzip.spool.extents import Extent
from streamzip.spool.memory import Memory, MemorySpool
from streamzip.zip.layout import PART_SIZE
from tests.unit.archive.sparse import a_layout

WINDOW = Window(parts=32, size=3 * PART_SIZE)


class Site:
    """An archive of one large member in so many parts; they come when the test says so."""

    def __init__(self, parts: int, memory: Memory | None = None) -> None:
        row = {"size": parts * PART_SIZE, "ranged": True, "validator": 's"v1"'}
        self.places = Places(a_layout(row))
        assert len(self.places.parts_of(0)) == parts
        self.spool = MemorySpool("a", lengths=part_lengths(self.places), start=0, memory=memory or Memory(1 << 40))
        self.pulls: list[int] = []
        self.filling = Filling(
            manifest=cast(Manifest, None),
            layout=self.places.layout,
            places=self.places,
            spool=self.spool,
            works=cast(Works, SimpleNamespace(window=WINDOW, runs=Runs(), lanes=SimpleNamespace(nudge=lambda _: None))),
            write_part=self._pull,
            bodies={},
        )
        self.filling.origin = lambda part: "origin"  # type: ignore[method-assign]

    async def _pull(self, _: Filling, part: int) -> None:
        self.pulls.append(part)
        await asyncio.Event().wait()

    def come(self, part: int) -> None:
        """All of the part is there."""
        at = self.places.bytes_start(0) + self.places.part(part).start
        self.spool.write(at, bytes(PART_SIZE))
        self.spool.commit(Extent(part, 0, PART_SIZE, 0))
        self.filling.wake(part)

    async def pulled(self) -> list[int]:
        """What is asked for, once all tasks have come to rest."""
        for _ in range(5):
            await asyncio.sleep(0)
        return self.pulls


async def test_reader_wants_the_next_parts_while_it_takes_what_has_come() -> None:
    """Its window moved only when it had to wait: over a line as fast as its own, it took what had come while nothing
    was pulled, and then waited while nothing was sent.
    """
    site = Site(8)
    reader = Reader(site.filling)
    async with aclosing(reader.read(0, site.places.length)) as runs:
        begun = asyncio.ensure_future(anext(runs))
        assert await site.pulled() == [0, 1, 2]
        for part in range(3):
            site.come(part)
        await begun
        taken = 0
        while taken <= PART_SIZE:
            taken += len(await anext(runs))
        assert await site.pulled() == [0, 1, 2, 3]
    reader.close()


async def test_reader_of_a_range_wants_nothing_beyond_its_end() -> None:
    """A window's length was pulled for whoever asked for a byte."""
    site = Site(8)
    start = site.places.bytes_start(0)
    reader = Reader(site.filling)
    async with aclosing(reader.read(start + PART_SIZE + 5, start + 2 * PART_SIZE + 5)) as runs:
        waiting = asyncio.ensure_future(anext(runs))
        assert await site.pulled() == [1, 2]
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    reader.close()


async def test_reader_wants_nothing_that_lies_behind_more_than_its_window_of_what_is_there() -> None:
    """A slow reader that is far behind had parts pulled, at the cost of those that the foremost waited for."""
    site = Site(12)
    for part in range(8):
        site.come(part)
    reader = Reader(site.filling)
    async with aclosing(reader.read(site.places.bytes_start(0), site.places.length)) as runs:
        taken = 0
        while taken < 4 * PART_SIZE:
            taken += len(await anext(runs))
        assert await site.pulled() == []
        while taken < 6 * PART_SIZE + 5:
            taken += len(await anext(runs))
        assert await site.pulled() == [8]
    reader.close()


async def test_reader_without_a_copy_wants_less_once_others_share_its_memory() -> None:
    """It went on as far ahead as when it had come: small members are held whole, and never ask for room."""
    memory = Memory(4 * PART_SIZE)
    site = Site(8, memory)
    reader = Reader(site.filling)
    async with aclosing(reader.read(0, site.places.length)) as runs:
        begun = asyncio.ensure_future(anext(runs))
        assert await site.pulled() == [0, 1, 2]
        with ExitStack() as others:
            for _ in range(4):
                others.enter_context(memory.shared())
            for part in range(2):
                site.come(part)
            await begun
            taken = 0
            while taken <= PART_SIZE:
                taken += len(await anext(runs))
            assert await site.pulled() == [0, 1, 2]
    reader.close()


async def test_part_is_pulled_when_an_earlier_pull_of_it_ended_before_its_first_step() -> None:
    """A reader that wants a part and leaves in the same turn of the loop left a pull behind that never was one; whoever
    came later waited for it until the time was over.
    """
    site = Site(8)
    site.filling.want(0)
    site.filling.unwant(0)
    assert await site.pulled() == []
    site.filling.want(0)
    assert await site.pulled() == [0]
    site.filling.want(1)
    site.filling.unwant(1)
    site.filling.want(1)  # before the loop turned
    assert await site.pulled() == [0, 1]
    await site.filling.stop()


async def test_run_that_is_cut_holds_no_more_than_itself() -> None:
    """A thousand slow clients with a slice each kept a thousand buffers of a megabyte."""
    site = Site(1)
    site.filling.works.runs = Runs(total=0)  # type: ignore[misc]
    at, landed = site.places.bytes_start(0), memoryview(bytearray(1 << 20))

    def land(start: int, data: memoryview) -> None:
        site.spool.write(at + start, data)
        site.spool.extents.grow(0, len(data))
        site.filling.wake(0, Chunk(start, data))

    reader = Reader(site.filling)
    async with aclosing(reader.read(at, site.places.length)) as runs:
        first = asyncio.ensure_future(anext(runs))
        await site.pulled()
        land(0, landed[:10])
        assert await first == bytes(10)
        cut = asyncio.ensure_future(anext(runs))
        await site.pulled()
        land(10, landed[10:])
        assert await cut == bytes(SMALLEST)
        assert type(cut.result()) is bytes
    reader.close()
