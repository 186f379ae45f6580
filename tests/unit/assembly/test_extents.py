"""The state of every part: what is filled, committed and proven, and the CRC of all of it."""

import zlib
from array import array
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.assembly import extents as extents_module
from streamzip.assembly.extents import Extents
from streamzip.spool.journal import Extent

CONTENT = bytes(range(256)) * 4


def extents(*lengths: int) -> Extents:
    return Extents(array("q", lengths))


def an_extent(start: int, stop: int, part: int = 0) -> Extent:
    """The extent of CONTENT's bytes."""
    return Extent(part, start, stop, zlib.crc32(CONTENT[start:stop]))


def state(parts: Extents, part: int = 0) -> tuple[int, int, int, bool]:
    return parts.filled[part], parts.committed[part], parts.proven[part], bool(parts.done[part])


def test_extents_begin_with_nothing() -> None:
    """All parts are missing, and no byte may be read."""
    parts = extents(10, 20)
    assert (state(parts), parts.missing, parts.present, parts.done.find(0)) == ((0, 0, 0, False), 2, 0, 0)
    assert parts.extents(0) == []


def test_part_is_read_as_it_grows_and_done_when_it_is_committed() -> None:
    """What this process wrote is proven at once; the part is done when the journal lists all of it."""
    parts = extents(100)
    parts.grow(0, 60)
    assert state(parts) == (60, 0, 60, False)
    parts.grow(0, 40)
    assert (state(parts), parts.present, parts.missing) == ((100, 0, 100, False), 100, 1)
    assert parts.commit(an_extent(0, 100), trusted=True)
    assert (state(parts), parts.present, parts.missing) == ((100, 100, 100, True), 100, 0)
    assert parts.done.find(0) == -1


def test_part_that_another_process_wrote_is_proven_when_it_is_trusted() -> None:
    """Its bytes were seen to be journalled by a live process."""
    parts = extents(100)
    assert parts.commit(an_extent(0, 100), trusted=True)
    assert (state(parts), parts.present) == ((100, 100, 100, True), 100)


def test_part_that_an_earlier_life_left_is_not_proven() -> None:
    """It is there, and must agree with its CRC before it is used."""
    parts = extents(100)
    parts.commit(an_extent(0, 60), trusted=False)
    parts.commit(an_extent(60, 100), trusted=False)
    assert state(parts) == (100, 100, 0, True)
    assert list(parts.unproven(0)) == [an_extent(0, 60), an_extent(60, 100)]


def test_part_is_not_proven_by_a_trusted_extent_behind_an_unproven_one() -> None:
    """Proof reaches no further than the first byte that has none."""
    parts = extents(100)
    parts.commit(an_extent(0, 60), trusted=False)
    parts.commit(an_extent(60, 100), trusted=True)
    assert parts.proven[0] == 0


def test_unproven_leaves_out_what_is_proven() -> None:
    """After a first proof only what came since is checked."""
    parts = extents(100)
    parts.commit(an_extent(0, 60), trusted=True)
    parts.commit(an_extent(60, 100), trusted=False)
    assert list(parts.unproven(0)) == [an_extent(60, 100)]


@pytest.mark.parametrize(
    "extent",
    [
        an_extent(0, 60),  # known already: one's own record, read again
        an_extent(0, 80),
        an_extent(59, 80),
        an_extent(61, 80),  # a gap
        an_extent(60, 60),
        Extent(0, 60, 50, 0),
        an_extent(60, 101),  # past the part's end
        Extent(2, 0, 10, 0),  # no such part
        Extent(2**31, 0, 10, 0),
    ],
)
def test_extent_is_void_when_it_does_not_continue_the_part(extent: Extent) -> None:
    """Whatever a journal holds, a part's extents touch, and lie within it."""
    parts = extents(100, 100)
    parts.commit(an_extent(0, 60), trusted=True)
    assert not parts.commit(extent, trusted=True)
    assert (state(parts), parts.present, parts.crcs[0]) == ((60, 60, 60, False), 60, zlib.crc32(CONTENT[:60]))


@settings(deadline=None)
@given(st.lists(st.integers(1, len(CONTENT)), unique=True, max_size=8))
def test_member_crc_is_that_of_all_its_bytes(cuts: list[int]) -> None:
    """However the member was cut into parts and those into extents, zlib's CRC of the whole comes out."""
    edges = [0, *sorted({*cuts, len(CONTENT)})]
    parts = extents(*(stop - start for start, stop in pairwise(edges)))
    for part, (start, stop) in enumerate(pairwise(edges)):
        middle = start + (stop - start) // 3
        if middle > start:
            parts.commit(Extent(part, 0, middle - start, zlib.crc32(CONTENT[start:middle])), trusted=True)
        parts.commit(Extent(part, middle - start, stop - start, zlib.crc32(CONTENT[middle:stop])), trusted=True)
    assert parts.missing == 0
    assert parts.member_crc(range(len(edges) - 1)) == zlib.crc32(CONTENT)


@settings(deadline=None)
@given(st.lists(st.integers(1, 1000), unique=True, min_size=1, max_size=6), st.data())
def test_drop_keeps_the_extents_before_it(stops: list[int], data: st.DataObject) -> None:
    """What is kept has its own CRC and chain, and the part goes on from there to the same end."""
    edges = [0, *sorted(stops)]
    parts = extents(edges[-1])
    chain = [an_extent(start, stop) for start, stop in pairwise(edges)]
    for extent in chain:
        parts.commit(extent, trusted=True)
    kept = data.draw(st.integers(0, len(chain) - 1))
    parts.drop(0, edges[kept])
    assert state(parts) == (edges[kept], edges[kept], edges[kept], False)
    assert (parts.present, parts.missing) == (edges[kept], 1)
    assert parts.crcs[0] == zlib.crc32(CONTENT[: edges[kept]])
    for extent in chain[kept:]:
        assert parts.commit(extent, trusted=True)
    assert (parts.crcs[0], parts.missing, parts.present) == (zlib.crc32(CONTENT[: edges[-1]]), 0, edges[-1])
    assert sum(extent.stop - extent.start for extent in parts.extents(0)) == edges[-1]


def test_drop_forgets_bytes_that_were_written_and_not_committed() -> None:
    """What is void is not counted as present."""
    parts = extents(100, 50)
    parts.commit(an_extent(0, 50, part=1), trusted=True)
    parts.grow(0, 70)
    parts.drop(0)
    assert (state(parts), parts.present, parts.missing) == ((0, 0, 0, False), 50, 1)


def test_rollback_forgets_what_was_written_after_the_last_extent() -> None:
    """A pull that broke before the journal could list its bytes begins again where the journal ends."""
    parts = extents(100)
    parts.commit(an_extent(0, 60), trusted=True)
    parts.grow(0, 30)
    parts.rollback(0)
    assert (state(parts), parts.present) == ((60, 60, 60, False), 60)
    parts.rollback(0)
    assert (state(parts), parts.present) == ((60, 60, 60, False), 60)


def test_part_of_unknown_length_is_done_when_its_length_is_known_and_committed() -> None:
    """In either order: the extent first, or the record that tells the length."""
    parts = extents(-1, -1, -1)
    parts.commit(an_extent(0, 60), trusted=True)
    assert not parts.done[0]
    parts.know_length(0, 60)
    parts.know_length(1, 60)
    assert not parts.done[1]
    parts.commit(an_extent(0, 60, part=1), trusted=True)
    parts.know_length(2, 0)  # a file that turned out to be empty
    assert bytes(parts.done) == b"\x01\x01\x01"
    assert parts.missing == 0


@settings(deadline=None)
@given(st.data())
def test_extents_agree_with_a_plain_list_of_what_happened(data: st.DataObject) -> None:
    """After any steps: proven and committed ≤ filled, present is their sum, and missing counts what is not done."""
    parts = extents(*data.draw(st.lists(st.sampled_from([-1, 8, 16]), min_size=1, max_size=3)))
    for _ in range(data.draw(st.integers(0, 25))):
        part = data.draw(st.integers(0, len(parts.lengths) - 1))
        match data.draw(st.sampled_from(["grow", "commit", "foreign", "drop", "rollback", "length"])):
            case "grow" if parts.filled[part] == parts.proven[part]:
                limit = parts.lengths[part] if parts.lengths[part] >= 0 else 24
                parts.grow(part, data.draw(st.integers(0, max(0, limit - parts.filled[part]))))
            case "commit":
                extent = an_extent(parts.committed[part], parts.filled[part], part)
                assert parts.commit(extent, trusted=True) is (extent.stop > extent.start)
            case "foreign":
                start, stop = data.draw(st.integers(0, 16)), data.draw(st.integers(0, 24))
                parts.commit(Extent(part, start, stop, zlib.crc32(CONTENT[start:stop])), trusted=False)
            case "drop":
                starts = [extent.start for extent in parts.extents(part)]
                parts.drop(part, data.draw(st.sampled_from(starts or [0])))
            case "rollback":
                parts.rollback(part)
            case "length" if parts.lengths[part] < 0:
                parts.know_length(part, max(parts.filled[part], 1))
        for index in range(len(parts.lengths)):
            assert 0 <= parts.committed[index] <= parts.filled[index]
            assert 0 <= parts.proven[index] <= parts.filled[index]
            assert parts.crcs[index] == zlib.crc32(CONTENT[: parts.committed[index]])
            assert parts.done[index] == (parts.committed[index] == parts.lengths[index])
        assert parts.present == sum(parts.filled)
        assert parts.missing == parts.done.count(0)


def test_extents_that_touch_are_one_up_to_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members without a strong validator are listed chunk by chunk: what is kept of that is bounded by their size."""
    monkeypatch.setattr(extents_module, "CHAINED", 50)
    parts = extents(100)
    for start in range(0, 100, 10):
        parts.commit(an_extent(start, start + 10), trusted=False)
    assert list(parts.unproven(0)) == [an_extent(0, 50), an_extent(50, 100)]
    parts.drop(0, 70)
    assert (state(parts), parts.crcs[0]) == ((50, 50, 0, False), zlib.crc32(CONTENT[:50]))


def test_copied_extents_go_on_by_themselves_without_what_is_not_listed() -> None:
    """What was written and not listed may still be taken back by whoever writes it; the rest is there for both."""
    parts = extents(100, 50)
    parts.commit(an_extent(0, 60), trusted=True)
    parts.grow(0, 30)
    parts.commit(an_extent(0, 50, part=1), trusted=True)
    other = parts.copied()
    assert (state(other), state(other, 1), other.present, other.missing) == (
        (60, 60, 60, False),
        (50, 50, 50, True),
        110,
        1,
    )
    other.commit(an_extent(60, 100), trusted=True)
    assert other.member_crc(range(1)) == zlib.crc32(CONTENT[:100])
    assert (state(parts), parts.missing) == ((90, 60, 90, False), 1)
