"""What a reader wants while it reads: the parts before it, as far as its window and its range reach."""

import asyncio
from concurrent.futures import Executor
from contextlib import ExitStack, aclosing
from typing import cast

from streamzip.assembly.archive import Archive
from streamzip.assembly.ledger import Ledger
from streamzip.assembly.reach import SIZE, Bound, Reaches
from streamzip.assembly.read_size import LARGEST, SMALLEST, ReadSize
from streamzip.assembly.reader import Reader, Reading
from streamzip.assembly.signals import Chunk
from streamzip.assembly.wants import Wants
from streamzip.manifest.model import Manifest
from streamzip.origins.lanes import Urgent
from streamzip.origins.pull import Tries
from streamzip.spool.fake import FakeSpool
from streamzip.spool.journal import ArchiveRecord, Begun, Ended, Extent
from streamzip.spool.memory import Memory, MemorySpool
from streamzip.zip.layout import PART_SIZE
from streamzip.zip.offsets import Offsets
from tests.unit.zip.sparse import a_layout

NO_POOL = cast(Executor, None)


class Site:
    """An archive of one large member in so many parts; they come when the test says so."""

    def __init__(self, parts: int, memory: Memory | None = None, size: ReadSize | None = None) -> None:
        row = {"size": parts * PART_SIZE, "ranged": True, "validator": 's"v1"'}
        self.places = Offsets(a_layout(row))
        assert len(self.places.parts_of(0)) == parts
        self.spool = MemorySpool("a", start=0, memory=memory or Memory(1 << 40))
        self.pulls: list[int] = []
        self.archive = Archive(
            manifest=cast(Manifest, None),
            ledger=Ledger(self.places),
            spool=self.spool,
            pool=NO_POOL,
            on_all_there=lambda: None,
        )
        self.wants = Wants(self.archive, self, attempts=1)
        self._reading = Reading(NO_POOL, Reaches(Bound()), size or ReadSize())

    async def pull(self, part: int, *, urgent: Urgent, tries: Tries) -> None:
        self.pulls.append(part)
        await asyncio.Event().wait()

    def hurry(self, part: int) -> None:
        """It comes when the test says so."""

    def reader(self, archive: Archive | None = None) -> Reader:
        return Reader(archive or self.archive, self.wants, self._reading)

    def come(self, part: int) -> None:
        """All of the part is there."""
        self.spool.write(self.archive.ledger.part_offset(part), bytes(PART_SIZE))
        self.archive.append(Extent(part, 0, PART_SIZE, 0))
        self.archive.signals.wake(part)

    async def pulled(self) -> list[int]:
        """What is asked for, once all tasks have come to rest."""
        for _ in range(5):
            await asyncio.sleep(0)
        return self.pulls


async def test_reader_wants_the_next_part_before_it_is_through_with_what_has_come() -> None:
    """Its window moved only when it had to wait: over a line as fast as its own, it took what had come while nothing
    was pulled, and then waited while nothing was sent.
    """
    site = Site(8)
    reader = site.reader()
    async with aclosing(reader.read(0, site.places.length)) as runs:
        begun = asyncio.ensure_future(anext(runs))
        assert await site.pulled() == [0]
        site.come(0)
        taken = len(await begun)
        while taken < PART_SIZE - SIZE - LARGEST:
            taken += len(await anext(runs))
        assert await site.pulled() == [0]
        while taken < PART_SIZE - SIZE // 2:
            taken += len(await anext(runs))
        assert await site.pulled() == [0, 1]
    reader.close()


async def test_reader_learns_where_a_copy_ends_that_another_process_has_finished() -> None:
    """That the file is sealed may be seen before what was listed of it is applied: the reader went past its end."""
    site, here = Site(1), FakeSpool()
    layout = a_layout({"size": None})
    there, traits = Ledger(Offsets(layout)), int(layout.traits[0])
    listed: list[ArchiveRecord] = [Begun(0, traits), Extent(0, 0, 5, 9), Ended(0, traits, 5, 5, 9)]
    for record in listed:
        there.apply(record, trusted=True)
    here.journal.extend(listed)
    here.write(0, bytes(there.offsets.length))
    here.sealed = True
    ledger = Ledger(Offsets(layout))
    reader = site.reader(
        Archive(manifest=cast(Manifest, None), ledger=ledger, spool=here, pool=NO_POOL, on_all_there=lambda: None)
    )
    async with aclosing(reader.read(0)) as runs:
        assert sum([len(run) async for run in runs]) == there.offsets.length


async def test_reader_of_a_range_wants_nothing_beyond_its_end() -> None:
    """A window's length was pulled for whoever asked for a byte."""
    site = Site(8)
    last = site.places.bytes_start(0) + 2 * PART_SIZE  # the first byte of part 2
    for stop, wanted in ((last, [1]), (last + 1, [1, 2])):
        site.pulls.clear()
        reader = site.reader()
        async with aclosing(reader.read(last - 100, stop)) as runs:
            waiting = asyncio.ensure_future(anext(runs))
            assert await site.pulled() == wanted
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        reader.close()


async def test_reader_wants_nothing_that_lies_behind_more_than_its_window_of_what_is_there() -> None:
    """A slow reader that is far behind had parts pulled, at the cost of those that the foremost waited for."""
    site = Site(12)
    for part in range(8):
        site.come(part)
    reader = site.reader()
    async with aclosing(reader.read(site.places.bytes_start(0), site.places.length)) as runs:
        taken = 0
        while taken < 8 * PART_SIZE - SIZE - LARGEST:
            taken += len(await anext(runs))
        assert await site.pulled() == []
        while taken < 8 * PART_SIZE - SIZE // 2:
            taken += len(await anext(runs))
        assert await site.pulled() == [8]
    reader.close()


async def test_reader_without_a_copy_wants_less_once_others_share_its_memory() -> None:
    """It went on as far ahead as when it had come: small members are held whole, and never ask for room."""
    memory = Memory(9 * SIZE)
    site = Site(8, memory, ReadSize(total=0))
    reader = site.reader()
    async with aclosing(reader.read(0, site.places.length)) as runs:
        begun = asyncio.ensure_future(anext(runs))
        await site.pulled()
        site.come(0)
        taken = len(await begun)
        with ExitStack() as others:
            for _ in range(36):
                others.enter_context(memory.shared())
            while taken < PART_SIZE - SIZE // 2:
                taken += len(await anext(runs))
            assert await site.pulled() == [0]
        while taken < PART_SIZE - SIZE // 8:
            taken += len(await anext(runs))
        assert await site.pulled() == [0, 1]
    reader.close()


async def test_part_is_pulled_when_an_earlier_pull_of_it_ended_before_its_first_step() -> None:
    """A reader that wants a part and leaves in the same turn of the loop left a pull behind that never was one; whoever
    came later waited for it until the time was over.
    """
    site = Site(8)
    site.wants.want(0)
    site.wants.unwant(0)
    assert await site.pulled() == []
    site.wants.want(0)
    assert await site.pulled() == [0]
    site.wants.want(1)
    site.wants.unwant(1)
    site.wants.want(1)  # before the loop turned
    assert await site.pulled() == [0, 1]
    await site.wants.stop()


async def test_run_that_is_cut_holds_no_more_than_itself() -> None:
    """A thousand slow clients with a slice each kept a thousand buffers of a megabyte."""
    site = Site(1, size=ReadSize(total=0))
    at, landed = site.places.bytes_start(0), memoryview(bytearray(1 << 20))

    def land(start: int, data: memoryview) -> None:
        site.spool.write(at + start, data)
        site.archive.ledger.landed(0, len(data))
        site.archive.signals.wake(0, Chunk(start, data))

    reader = site.reader()
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
