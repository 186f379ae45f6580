"""Memory that goes on where a copy has ended: each byte from the one place that has it."""

import asyncio
import errno
import itertools
from contextlib import ExitStack

import pytest

from streamzip.spool.journal import Drop
from streamzip.spool.memory import Memory, MemorySpool
from streamzip.spool.shelf import Shelf
from tests.unit.spool.builders import CONTENT, LENGTHS, NAME, PARTS, Kept, opened, pull, wrong

MIB = 1 << 20


def behind(copy: Kept, start: int) -> Kept:
    """What goes on from the copy, for a reader that stands at `start`."""
    spool = MemorySpool(NAME, start=start, memory=Memory(1 << 30), behind=copy.spool)
    return Kept(spool, LENGTHS, copy.ledger.fork())


def test_memory_goes_on_where_the_copy_ends(shelf: Shelf) -> None:
    """What the copy has is known and read from it, up to the first byte that memory has; nothing is read across."""
    (at, _), half = PARTS[0], 60_000
    with opened(shelf) as copy:
        pull(copy, 0, 0, half)
        spool = behind(copy, at + 100)
        assert list(spool.extents.filled) == [half, 0, 0]
        spool.write(at + half, CONTENT[at + half : at + half + 5000])
        assert spool.read(at + 100, 1 << 20) == CONTENT[at + 100 : at + half]
        assert spool.read_now(at + half, 1 << 20) == CONTENT[at + half : at + half + 5000]
        assert spool.read(at + half + 10, 20) == CONTENT[at + half + 10 : at + half + 30]
        spool.passed(at + half)
        assert spool.read(at + half, 10) == CONTENT[at + half : at + half + 10]
        assert list(copy.extents.filled) == [half, 0, 0]


def test_memory_gives_small_runs_that_follow_on_each_other_as_one() -> None:
    """A send for each of two thousand small files costs more than copying them."""
    spool = MemorySpool(NAME, start=0, memory=Memory(1 << 30))
    content = bytes(number % 251 for number in range(500_000))
    edges = [0, 10_000, 30_000, 30_001, 60_000, 160_000, 170_000]  # small ones, a large one, a small one, and a gap
    for start, stop in itertools.pairwise(edges):
        spool.write(start, content[start:stop])
    spool.write(200_000, content[200_000:210_000])
    found = {at: len(spool.read(at, 1 << 20)) for at in (0, 10_000, 5, 60_000, 160_000, 170_000, 200_000)}
    assert found == {0: 60_000, 10_000: 50_000, 5: 9_995, 60_000: 100_000, 160_000: 10_000, 170_000: 0, 200_000: 10_000}
    assert spool.read(0, 30_000) == content[:30_000]
    assert spool.read(0, 29_999) == content[:10_000]
    assert spool.read(0, 1 << 20) == content[:60_000]


def test_memory_proves_what_an_earlier_life_left_of_the_copy(shelf: Shelf) -> None:
    """Damage in the copy is found here too, before it is given out."""
    at = PARTS[0][0]
    with opened(shelf) as copy:
        pull(copy, 0, 0, 60_000)
        path = copy.paths.part
    with opened(shelf) as copy:
        spool = behind(copy, 0)
        assert (spool.extents.committed[0], spool.extents.proven[0]) == (60_000, 0)
        assert wrong(spool, 0) is None
        with path.open("r+b") as file:
            file.seek(at + 5)
            file.write(b"?!")
        assert wrong(spool, 0) == Drop(0, 0)
        spool.drop(Drop(0, 0))
        assert spool.extents.committed[0] == 0
        assert copy.extents.committed[0] == 60_000


def test_copy_takes_no_more_than_it_may(shelf: Shelf) -> None:
    """A copy of unknown length ends where the room for all copies does, as on a disk that is full."""
    shelf.budget = 100_000
    with opened(shelf, size=None) as copy:
        copy.write(0, CONTENT[:100_000])
        with pytest.raises(OSError, match="more than all copies may") as caught:
            copy.write(99_999, b"ab")
        assert caught.value.errno == errno.EDQUOT
        assert copy.read(0, 1 << 20) == CONTENT[:100_000]


def windows(memory: Memory, count: int) -> tuple[ExitStack, list[MemorySpool]]:
    """So many windows of readers that have taken nothing yet; close the former."""
    stack = ExitStack()
    for _ in range(count):
        stack.enter_context(memory.shared())
    return stack, [MemorySpool("a", start=0, memory=memory) for _ in range(count)]


async def fill(window: MemorySpool, step: int = 16 << 10) -> int:
    """Pull into the window until it has no room; how much it holds then."""
    offset = 0
    while True:
        try:
            async with asyncio.timeout(0.001):
                await window.room(offset)
        except TimeoutError:
            return offset
        window.write(offset, bytes(step))
        offset += step


async def test_windows_hold_no_more_than_their_memory_when_others_come_later() -> None:
    """Each took its share of what there was when it came: for a thousand readers that was more than twice of it all."""
    memory, held = Memory(4 * MIB), 0
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(memory.shared())
            held += await fill(MemorySpool("a", start=0, memory=memory))
        assert 4 * MIB <= held <= 4 * MIB + 20 * Memory.SMALLEST


async def test_window_has_room_again_once_others_let_go() -> None:
    """Their readers take what they hold, or leave."""
    memory = Memory(MIB)
    stack, (first, second, third) = windows(memory, 3)
    with stack:
        assert [await fill(each) for each in (first, second, third)] == pytest.approx([MIB // 3] * 3, abs=32 << 10)
        assert memory.share == Memory.SMALLEST
        first.passed(MIB)
        assert memory.share == MIB // 3
        second.close()
        third.close()
        third.write(0, bytes(MIB))  # a pull that was under way
        assert third.read_now(0, MIB) == b""
        assert await fill(MemorySpool("a", start=0, memory=memory)) >= MIB // 3
    assert memory.share == MIB


async def test_window_takes_no_more_than_is_allowed_ahead_of_its_reader() -> None:
    """What was begun by a wider reach, or is longer than it, waits for the reader, or for more to be allowed; each pull
    is let in when its own place is near enough.
    """
    window = MemorySpool("a", start=0, memory=Memory(1 << 30))
    window.allow_ahead(2 * MIB)
    assert window.ahead == 2 * MIB
    assert await fill(window) == 2 * MIB
    near, far = (asyncio.ensure_future(window.room(at)) for at in (2 * MIB, 3 * MIB))
    await asyncio.sleep(0)
    window.passed(100)
    await asyncio.sleep(0)
    assert (near.done(), far.done()) == (True, False)
    window.allow_ahead(MIB)
    window.passed(MIB)
    await asyncio.sleep(0)
    assert not far.done()
    window.allow_ahead(3 * MIB)
    await far
