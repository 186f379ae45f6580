"""Memory that goes on where a copy has ended: each byte from the one place that has it."""

import errno
from array import array

import pytest

from streamzip.spool.file import FileSpool
from streamzip.spool.memory import MemorySpool
from streamzip.spool.shelf import Shelf
from tests.unit.spool.builders import CONTENT, LENGTHS, NAME, PARTS, opened, pull


def behind(copy: FileSpool, start: int) -> MemorySpool:
    """What goes on from the copy, for a reader that stands at `start`."""
    return MemorySpool(NAME, lengths=array("q", LENGTHS), start=start, window=1 << 20, behind=copy)


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


def test_memory_proves_what_an_earlier_life_left_of_the_copy(shelf: Shelf) -> None:
    """Damage in the copy is found here too, before it is given out."""
    at = PARTS[0][0]
    with opened(shelf) as copy:
        pull(copy, 0, 0, 60_000)
        path = copy.paths.part
    with opened(shelf) as copy:
        spool = behind(copy, 0)
        assert (spool.extents.committed[0], spool.extents.proven[0]) == (60_000, 0)
        assert spool.prove(0, at) is None
        with path.open("r+b") as file:
            file.seek(at + 5)
            file.write(b"?!")
        drop = spool.prove(0, at)
        assert drop is not None
        spool.drop(drop)
        assert spool.extents.committed[0] == 0


def test_copy_takes_no_more_than_it_may(shelf: Shelf) -> None:
    """A copy of unknown length ends where the room for all copies does, as on a disk that is full."""
    shelf.budget = 100_000
    with opened(shelf, size=None) as copy:
        copy.write(0, CONTENT[:100_000])
        with pytest.raises(OSError, match="more than all copies may") as caught:
            copy.write(99_999, b"ab")
        assert caught.value.errno == errno.EDQUOT
        assert copy.read(0, 1 << 20) == CONTENT[:100_000]
