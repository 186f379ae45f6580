"""A claimed part is pulled by nobody else until what was pulled of it is listed. Two opens of one copy hold locks
against each other as two processes do.
"""

import errno

import pytest

from streamzip.spool.shelf import Shelf
from tests.unit.spool.builders import LENGTHS, Kept, opened, pull


def free(spool: Kept) -> list[int]:
    """The parts that this one could claim now."""
    parts = [part for part in range(len(LENGTHS)) if spool.claim(part)]
    for part in parts:
        spool.give_back(part)
    spool.flush()
    return parts


def test_claimed_part_is_free_for_others_once_what_was_pulled_is_listed(shelf: Shelf) -> None:
    """Free any sooner, another process took it, found nothing, and pulled it again: 12 pulls of 8 parts with fifty
    readers over two workers.
    """
    with opened(shelf) as one, opened(shelf) as two:
        assert one.claim(1)
        assert free(two) == [0, 2]
        one.give_back(1)
        assert free(two) == [0, 2]  # nothing is listed yet
        pull(one, 1)
        assert free(two) == [0, 1, 2]
        two.follow()
        assert two.extents.done[1]


def test_part_claimed_again_before_the_flush_stays_claimed(shelf: Shelf) -> None:
    """A part that failed is pulled again at once where another reader wants it."""
    with opened(shelf) as one, opened(shelf) as two:
        for part in range(3):
            assert one.claim(part)
            one.give_back(part)
        assert one.claim(1)
        one.flush()
        assert free(two) == [0, 2]


def test_claims_end_although_the_journal_cannot_be_written(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full for this process, the disk may have room for another one's pull."""
    with opened(shelf) as one, opened(shelf) as two:
        assert one.claim(0)
        one.give_back(0)
        with monkeypatch.context() as broken:
            broken.setattr(one._journal, "flush", lambda: full())
            with pytest.raises(OSError, match="full"):
                one.flush()
        assert free(two) == [0, 1, 2]


def test_claims_end_with_the_spool_that_is_closed(shelf: Shelf) -> None:
    """Those given back and not flushed, and those held; a late flush finds nothing left to do."""
    with opened(shelf) as two:
        with opened(shelf) as one:
            assert one.claim(0)
            assert one.claim(1)
            one.give_back(0)
        one.flush()
        assert free(two) == [0, 1, 2]


def full() -> None:
    raise OSError(errno.ENOSPC, "full")
