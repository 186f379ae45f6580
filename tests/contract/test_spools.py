"""Every spool does what spool/port.py says: the copy on disk, the window in memory, and the fake for tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

import pytest

from streamzip.spool.fake import FakeSpool
from streamzip.spool.journal import ArchiveRecord, Begun, Drop, Ended, Extent, Pin
from streamzip.spool.memory import Memory, MemorySpool
from streamzip.spool.port import Spool
from streamzip.spool.shelf import Shelf

Open = Callable[[], Spool]
NAME = "ab" + "0" * 30
CONTENT = bytes(range(256)) * 400
RECORDS: list[ArchiveRecord] = [
    Pin(1, True, '"é"'),
    Begun(1, 3),
    Extent(1, 0, 1 << 33, 5),
    Drop(1, 1 << 32),
    Ended(1, 3, 1 << 34, 1 << 33, 0xFFFFFFFF),
]


def files(folder: Path, stack: ExitStack) -> Open:
    def opened() -> Spool:
        spool = Shelf(folder, budget=1 << 30).open(NAME, size=len(CONTENT), layout=bytes(16))
        stack.callback(spool.close)
        return spool

    return opened


def fakes(_folder: Path, _stack: ExitStack) -> Open:
    first = FakeSpool(NAME)
    return first.another


def windows(_folder: Path, stack: ExitStack) -> Open:
    memory = Memory(1 << 20)
    stack.enter_context(memory.shared())
    return lambda: MemorySpool(NAME, start=0, memory=memory)


@pytest.fixture(params=[files, windows, fakes])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens a spool of the kind; again: another process's open of the same copy, where there is one."""
    with ExitStack() as stack:
        yield request.param(tmp_path, stack)


@pytest.fixture(params=[files, fakes])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """The same, of those that processes share."""
    with ExitStack() as stack:
        yield request.param(tmp_path, stack)


def test_spool_has_its_archives_name_and_nothing_else_at_first(opened: Open) -> None:
    """It is neither proven whole nor deleted, and says nothing of the archive."""
    spool = opened()
    assert (spool.name, spool.sealed, spool.removed) == (NAME, False, False)
    assert list(spool.replay()) == []
    assert list(spool.follow()) == []


def test_bytes_are_read_from_where_they_were_written(opened: Open) -> None:
    """In any order, in any pieces; at once or in a thread."""
    spool = opened()
    spool.write(10_000, CONTENT[10_000:30_000])
    spool.write(0, memoryview(CONTENT)[:10_000])
    for start, stop in ((0, 5), (3, 10_000), (10_000, 30_000), (29_999, 30_000)):
        assert spool.read(start, stop - start) == CONTENT[start:stop]
        assert spool.read_now(start, stop - start) in (CONTENT[start:stop], None)


def test_bytes_are_compared_with_their_crcs(shared: Open) -> None:
    """The first extent that does not agree is named; one whose bytes are not all there is one."""
    spool, at = shared(), 100
    spool.write(at, CONTENT[:3000])
    extents = [
        Extent(7, start, stop, crc32(CONTENT[start:stop])) for start, stop in ((0, 1000), (1000, 2000), (2000, 3000))
    ]
    assert spool.disagrees(extents, at) is None
    assert spool.disagrees([], at) is None
    spool.write(at + 1500, b"?!")
    assert spool.disagrees(extents, at) == extents[1]
    assert spool.disagrees(extents[2:], at) is None
    missing = Extent(7, 0, 1000, crc32(CONTENT[:1000]))
    assert spool.disagrees([missing], len(CONTENT) - 10) == missing


def test_records_are_seen_by_others_after_the_flush_as_they_were(shared: Open) -> None:
    """Handed up in order, interpreted by none of them; those who come later have them from the replay, once."""
    one, two = shared(), shared()
    for record in RECORDS:
        one.add(record)
    assert list(two.follow()) == []
    one.flush()
    assert list(two.follow()) == RECORDS
    assert list(two.follow()) == []
    later = shared()
    assert list(later.replay()) == RECORDS
    assert list(later.replay()) == []
    assert list(later.follow()) == []


def test_records_of_ones_own_come_again_at_most_with_those_of_others(opened: Open) -> None:
    """Whoever applies them must not mind; where nobody else writes, there is nothing to be read."""
    one, two = opened(), opened()
    one.add(RECORDS[0])
    one.flush()
    two.add(RECORDS[1])
    two.flush()
    assert [record for record in one.follow() if record not in RECORDS[:1]] in ([RECORDS[1]], [])
    assert list(one.follow()) == []


def test_claimed_part_is_nobody_elses_until_it_is_given_back_and_flushed(shared: Open) -> None:
    """What was pulled under the claim is listed by then."""
    one, two = shared(), shared()
    assert one.claim(3)
    assert one.claim(3)  # its own
    assert not two.claim(3)
    assert two.claim(4)
    one.give_back(3)
    assert not two.claim(3)
    one.flush()
    assert two.claim(3)


def test_claim_after_giving_back_stands(shared: Open) -> None:
    """A part that failed is pulled again at once."""
    one, two = shared(), shared()
    assert one.claim(0)
    one.give_back(0)
    assert one.claim(0)
    one.flush()
    assert not two.claim(0)


def test_claim_is_had_where_nobody_else_pulls(opened: Open) -> None:
    """Always so in memory."""
    spool = opened()
    assert spool.claim(0)
    spool.give_back(0)
    spool.flush()
    assert spool.claim(0)


async def test_there_is_room_ahead_of_the_reader(opened: Open) -> None:
    """For some bytes at least; and what it has passed is not asked for again."""
    spool = opened()
    assert spool.ahead >= 64 << 10
    await spool.room(spool.ahead - 1 if spool.ahead < 1 << 40 else 1 << 40)
    spool.write(0, CONTENT[:1000])
    spool.passed(1000)
    await spool.room(1000)


def test_spool_that_is_unsealed_is_proven_again(opened: Open) -> None:
    """Damage was found in what was taken for whole."""
    spool = opened()
    spool.unseal()
    assert not spool.sealed
