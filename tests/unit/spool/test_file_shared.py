"""One copy in two processes: each sees what the other pulls, drops and finishes."""

from array import array

from streamzip.spool.journal import Begun, Drop, Ended
from streamzip.spool.shelf import Shelf
from tests.unit.spool.builders import CONTENT, LENGTHS, MTIME, PARTS, committed, fill, flip, opened, prove, pull


def test_spool_follows_what_another_one_pulls(shelf: Shelf) -> None:
    """What a live process journals may be read at once, without proof; settled members are told once."""
    with opened(shelf) as one, opened(shelf) as two:
        pull(one, 0)
        one.append(Ended(1, 8, 5, 5, 9))
        one.flush()
        assert two.follow() == [Ended(1, 8, 5, 5, 9)]
        assert list(two.extents.proven) == [LENGTHS[0], 0, 0]
        assert two.read(PARTS[0][0], LENGTHS[0]) == CONTENT[slice(*PARTS[0])]
        assert two.follow() == []
        pull(two, 1)
        assert one.follow() == []
        assert committed(one) == [LENGTHS[0], LENGTHS[1], 0]


def test_spool_follows_an_open_member_from_its_beginning_on(shelf: Shelf) -> None:
    """That it has begun is told before its bytes, which are there before its length is; a later life knows it too."""
    lengths = array("q", [-1])
    with opened(shelf, lengths=lengths, size=None) as one, opened(shelf, lengths=lengths, size=None) as two:
        one.append(Begun(0, 3))
        pull(one, 0, 0, 40_000)
        assert two.follow() == [Begun(0, 3)]
        assert (two.extents.proven[0], two.extents.done[0]) == (40_000, 0)
        pull(one, 0, 40_000, 60_000)
        one.append(Ended(0, 3, 90_000, 60_000, 9))
        one.flush()
        assert two.follow() == [Ended(0, 3, 90_000, 60_000, 9)]
        assert two.extents.proven[0] == 60_000
    with opened(shelf, lengths=lengths, size=None) as later:
        assert later.ledger.listed_begun(0) == Begun(0, 3)
        assert later.extents.proven[0] == 0


def test_spool_follows_another_one_that_mends_what_an_earlier_life_left(shelf: Shelf) -> None:
    """What the other has dropped and pulled again is taken from it, not pulled a third time."""
    with opened(shelf) as spool:
        pull(spool, 0, 0, 40_000)
        pull(spool, 0, 40_000)
        part = spool.paths.part
    flip(part, PARTS[0][0] + 50_000)
    with opened(shelf) as mending, opened(shelf) as following:
        assert prove(mending) == [Drop(0, 40_000)]
        following.follow()
        assert committed(following)[0] == 40_000  # it is not said to be there
        pull(mending, 0, 40_000)
        following.follow()
        assert committed(following)[0] == 100_000
        assert prove(following) == []
        pull(mending, 1)
        mending.follow()  # its own records too
        assert committed(mending)[:2] == [100_000, 100_000]


def test_spool_keeps_what_it_has_proven_when_another_one_drops_it(shelf: Shelf) -> None:
    """What was read and agreed with its CRC is what was pulled, whatever another process saw later."""
    with opened(shelf) as spool:
        pull(spool, 0)
    with opened(shelf) as keeping, opened(shelf) as dropping:
        assert prove(keeping) == []
        dropping.drop(Drop(0, 0))
        dropping.flush()
        keeping.follow()
        assert committed(keeping)[0] == 100_000


def test_spool_sees_that_another_one_has_finished_it(shelf: Shelf) -> None:
    """The file that it has open is the one that was sealed."""
    with opened(shelf) as one, opened(shelf) as two:
        fill(one)
        one.finish(mtime=MTIME)
        assert not two.check_seal()
        two.follow()
        assert two.check_seal()
        assert (two.finished, two.sealed) == (True, True)


def test_spool_writes_around_no_member_of_a_copy_that_another_one_finishes_or_has_finished(shelf: Shelf) -> None:
    """All of it is in the file then, and a write, though of the same bytes, would break its seal."""
    around = [(0, CONTENT[:30]), (PARTS[0][1], CONTENT[PARTS[0][1] : PARTS[1][0]])]
    with opened(shelf) as one, opened(shelf) as two:
        fill(one)
        two.write_around(around)
        assert two.read(0, 30) == CONTENT[:30]
        assert one.begin_finish()
        assert not two.begin_finish()
        one.write_around([(0, bytes(30))])  # by this process's own readers, while its thread makes the file durable
        two.write_around([(0, bytes(30))])
        one.finish(mtime=MTIME)
        one.end_finish()
        two.write_around([(0, bytes(30))])  # it has not followed the other one yet
        assert one.read(0, 30) == CONTENT[:30]
        assert two.sealed
    with opened(shelf) as later:
        assert later.sealed


def test_spool_loses_no_record_that_it_read_when_it_looked_for_the_seal(shelf: Shelf) -> None:
    """What another one journalled is handed up with the next look."""
    with opened(shelf) as one, opened(shelf) as two:
        one.append(Ended(1, 8, 5, 5, 9))
        one.flush()
        two.write_around([(0, CONTENT[:30])])
        assert two.follow() == [Ended(1, 8, 5, 5, 9)]
        assert two.follow() == []
