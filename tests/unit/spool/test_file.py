"""The copy on disk: what was written is read, and what nobody has is not said to be there."""

import os
from typing import Any

import pytest

from streamzip.spool.shelf import Shelf
from tests.unit.spool.builders import CONTENT, LENGTHS, NAME, PARTS, committed, fill, opened, pull


def test_spool_begins_as_a_sparse_file_of_the_archives_length(shelf: Shelf) -> None:
    """It takes no room before anything is pulled, and says that nothing is known."""
    with opened(shelf) as spool:
        stat = spool.paths.part.stat()
        assert (stat.st_size, stat.st_blocks) == (len(CONTENT), 0)
        assert (spool.blank, spool.rebooted, spool.damaged, spool.finished, spool.sealed) == (True,) + (False,) * 4


def test_spool_reads_back_what_was_written(shelf: Shelf) -> None:
    """At once, from the page cache or the disk; short at the end of the file."""
    with opened(shelf) as spool:
        spool.write(1000, CONTENT[:5000])
        assert spool.read(1000, 5000) == CONTENT[:5000]
        assert spool.read_now(1000, 5000) in (CONTENT[:5000], None)
        assert spool.read(len(CONTENT) - 10, 100) == bytes(10)
        assert spool.read_now(len(CONTENT) - 10, 100) in (bytes(10), None)


def test_spool_reads_from_the_disk_where_the_cache_cannot_be_asked(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tmpfs and overlays refuse RWF_NOWAIT: the caller is told to use a thread, not given an error."""

    def refused(*_arguments: Any) -> int:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "preadv", refused)
    with opened(shelf) as spool:
        assert spool.read_now(0, 10) is None


def test_spool_writes_all_of_it_when_the_disk_takes_a_little_at_a_time(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pwrite may write less than it was given."""
    real = os.pwrite
    with opened(shelf) as spool:
        monkeypatch.setattr(os, "pwrite", lambda fd, block, at: real(fd, bytes(block[:700]), at))
        spool.write(5, CONTENT[:5000])
        monkeypatch.undo()
        assert spool.read(5, 5000) == CONTENT[:5000]


def test_spool_goes_on_when_its_file_is_taken_away(shelf: Shelf) -> None:
    """A deletion does not disturb the reads under way, nor does what they still fill in come back."""
    with opened(shelf) as spool:
        pull(spool, 0)
        shelf.remove(NAME)
        pull(spool, 1)
        assert spool.read(PARTS[0][0], LENGTHS[0]) == CONTENT[slice(*PARTS[0])]
    with opened(shelf) as spool:
        assert committed(spool) == [0, 0, 0]


def test_spool_lets_go_of_every_file_when_it_is_closed(shelf: Shelf) -> None:
    """Ten thousand opens leave no descriptor behind."""
    with opened(shelf) as spool:
        fill(spool)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with opened(shelf):
            pass
    assert len(os.listdir("/proc/self/fd")) == before
