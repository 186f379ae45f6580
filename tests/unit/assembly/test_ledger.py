"""The ledger: whatever records come, in whatever order, from whomever, it knows what follows from them and no more."""

import ast
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamzip
from streamzip.assembly.ledger import Ledger
from streamzip.errors import OriginError, Stale
from streamzip.spool.journal import ArchiveRecord, Begun, Drop, Ended, Extent, Pin, Record, decode, encode
from streamzip.zip.layout import UNKNOWN, Layout, Planned, Trait, freeze
from streamzip.zip.offsets import Offsets
from tests.unit.assembly.naive import CONTENT, NaiveLedger, an_extent

SIZE, MIB = 60, 1 << 20
STRONG, WEAK = 's"v1"', "wMon, 01 Jun 2026 10:00:00 GMT"


def a_layout(*sizes: int | None, validator: str = STRONG) -> Layout:
    """Members of one part each; None: an open one."""
    rows = (Planned(at, f"{at}.bin", None, size, None, validator=validator) for at, size in enumerate(sizes))
    return freeze(rows, frozen_at=0, compressor="")


LAYOUT = a_layout(SIZE, None, SIZE, None)
MEMBERS = LAYOUT.members


def a_ledger(layout: Layout = LAYOUT, *, released: bool = False, rebuilt: bool = False) -> Ledger:
    return Ledger(Offsets(layout), released=released, rebuilt=rebuilt)


def an_end(member: int, size: int = SIZE) -> Ended:
    return Ended(member, int(Trait.HELD), size, size, crc32(CONTENT[:size]))


members = st.integers(0, MEMBERS + 1)  # of no member too
lengths = st.integers(0, SIZE + 10)
records: st.SearchStrategy[ArchiveRecord] = st.one_of(
    st.builds(an_extent, members, lengths, lengths),
    st.builds(Drop, members, lengths),
    st.builds(Pin, members, st.booleans(), st.sampled_from(['"v1"', '"v2"'])),
    st.builds(Begun, members, st.sampled_from([int(Trait.DESCRIPTOR), int(Trait.DESCRIPTOR | Trait.DEFLATE)])),
    st.builds(an_end, members, st.sampled_from([0, SIZE // 2, SIZE])),
)


@st.composite
def pulled(draw: st.DrawFn, member: int) -> list[ArchiveRecord]:
    """What the journal lists of a member that is pulled to some point, in one process or several."""
    length = SIZE if LAYOUT.sizes[member] == UNKNOWN else LAYOUT.sizes[member]
    edges = sorted({0, length, *draw(st.lists(st.integers(1, length - 1), max_size=4))})
    found: list[ArchiveRecord] = [Pin(member, True, '"v1"')]
    if LAYOUT.sizes[member] == UNKNOWN:
        found.append(Begun(member, int(Trait.DESCRIPTOR)))
    found.extend(an_extent(member, start, stop) for start, stop in pairwise(edges))
    if LAYOUT.sizes[member] == UNKNOWN:
        found.append(an_end(member, length))
    return found


@st.composite
def journals(draw: st.DrawFn) -> list[ArchiveRecord]:
    """A journal as pulls write it, side by side: each member's records keep their order."""
    queues = [draw(pulled(member)) for member in range(MEMBERS)]
    merged = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        merged.append(queue.pop(0))
    return merged


def check(ledger: Ledger, naive: NaiveLedger) -> None:
    """Both know the same."""
    extents, offsets = ledger.extents, ledger.offsets
    for part in range(MEMBERS):
        assert extents.committed[part] == naive.listed(part)
        assert extents.filled[part] == naive.filled(part)
        assert ledger.readable(part) == naive.readable(part) <= naive.filled(part)
        assert ledger.unproven(part) == (naive.readable(part) < naive.listed(part))
        assert ledger.done(part) == naive.done(part)
        assert extents.crcs[part] == crc32(CONTENT[: naive.listed(part)])
        assert offsets.crcs[part] == naive.crc(part)
        assert ledger.listed_begun(part) == naive.begun.get(part)
    assert ledger.pins == naive.pins
    assert offsets.placed == naive.placed()
    assert extents.present == sum(map(naive.filled, range(MEMBERS)))
    assert extents.missing == sum(not naive.done(part) for part in range(MEMBERS))
    assert ledger.all_there == all(map(naive.done, range(MEMBERS)))


@settings(deadline=None)
@given(st.lists(st.tuples(records | st.integers(0, MEMBERS - 1), st.booleans(), lengths), max_size=30))
def test_ledger_knows_what_a_plain_list_of_the_records_says(steps: list[tuple[Record | int, bool, int]]) -> None:
    """Any records, in any order, own, followed or replayed, sane or not, with bytes landing and proofs in between."""
    ledger, naive = a_ledger(), NaiveLedger(LAYOUT)
    for step, flag, number in steps:
        if not isinstance(step, int):
            ledger.apply(step, trusted=flag)  # type: ignore[arg-type]
            naive.apply(step, trusted=flag)  # type: ignore[arg-type]
        elif flag and naive.readable(step) == naive.filled(step):
            room = min(number, naive.longest(step) - naive.filled(step))
            ledger.landed(step, room)
            naive.landed(step, room)
        elif naive.readable(step) <= naive.listed(step):
            upto = None if number > SIZE else number
            ledger.proved(step, upto)
            naive.proved(step, upto)
        check(ledger, naive)


@settings(deadline=None)
@given(journals(), st.data())
def test_ledger_of_a_journal_that_ends_anywhere_knows_what_was_listed_by_then(
    journal: list[ArchiveRecord], data: st.DataObject
) -> None:
    """Cut at any byte, as `kill -9` and a full disk leave it: the whole records count, unproven; and the pulls go on
    from there to the same end.
    """
    stored = b"".join(map(encode, journal))
    cut = data.draw(st.integers(0, len(stored)))
    left, _, _ = decode(stored[:cut])
    ledger, naive = a_ledger(), NaiveLedger(LAYOUT)
    for record in left:
        ledger.apply(record, trusted=False)  # type: ignore[arg-type]
        naive.apply(record, trusted=False)  # type: ignore[arg-type]
    check(ledger, naive)
    assert not any(map(ledger.readable, range(MEMBERS)))
    for record in journal[len(left) :]:
        ledger.apply(record, trusted=True)
    for part in range(MEMBERS):
        ledger.proved(part)
    assert ledger.all_there
    assert [ledger.crc_of(member) for member in range(MEMBERS)] == [crc32(CONTENT[:SIZE])] * MEMBERS


@settings(deadline=None)
@given(journals(), st.data())
def test_ledger_takes_nothing_from_a_damaged_record_and_all_else_that_holds(
    journal: list[ArchiveRecord], data: st.DataObject
) -> None:
    """A flipped byte costs what its record said and what stands on that: what is said to be there was listed."""
    stored = bytearray(b"".join(map(encode, journal)))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    left = [record for record in decode(bytes(stored))[0] if record in journal]
    ledger, naive = a_ledger(), NaiveLedger(LAYOUT)
    for record in decode(bytes(stored))[0]:
        ledger.apply(record, trusted=False)  # type: ignore[arg-type]
    for record in left:
        naive.apply(record, trusted=False)
    check(ledger, naive)


@settings(deadline=None)
@given(journals(), st.lists(st.integers(0, 7), max_size=6))
def test_records_that_are_read_again_change_nothing(journal: list[ArchiveRecord], again: list[int]) -> None:
    """A process reads its own records again with those of others, in the order in which they were written."""
    once, twice = a_ledger(), a_ledger()
    for record in journal:
        once.apply(record, trusted=True)
        twice.apply(record, trusted=True)
    for record in [record for record in journal if hash(record) % 8 in again]:
        twice.apply(record, trusted=True)
    for column in ("filled", "committed", "proven", "crcs", "done", "missing", "present"):
        assert getattr(once.extents, column) == getattr(twice.extents, column)
    assert (once.offsets.traits, once.offsets.stored) == (twice.offsets.traits, twice.offsets.stored)


@settings(deadline=None)
@given(journals(), st.integers(0, 40))
def test_fork_begins_with_what_is_listed_and_leaves_the_first_ledger_alone(
    journal: list[ArchiveRecord], until: int
) -> None:
    """What only landed may still be taken back; and neither of the two sees what the other pulls from then on."""
    ledger, naive = a_ledger(), NaiveLedger(LAYOUT)
    for record in journal[:until]:
        ledger.apply(record, trusted=True)
        naive.apply(record, trusted=True)
    for part in range(MEMBERS):
        if not ledger.done(part):
            ledger.landed(part, 1)
    fork = ledger.fork()
    check(fork, naive)
    for record in journal[until:]:
        fork.apply(record, trusted=True)
    assert fork.all_there
    assert ledger.all_there is naive_all(naive)
    assert ledger.offsets.placed == naive.placed()


def naive_all(naive: NaiveLedger) -> bool:
    return all(map(naive.done, range(MEMBERS)))


def test_fork_knows_the_crcs_of_completed_members_behind_the_frontier() -> None:
    """A reader that goes on in memory when the disk is full can write the directory without pulling them again."""
    ledger = a_ledger()
    ledger.apply(an_extent(0, 0, SIZE), trusted=True)
    ledger.completed(0, crc32(CONTENT[:SIZE]))
    fork = ledger.fork()
    for member in (1, 3):
        fork.apply(an_extent(member, 0, SIZE), trusted=True)
        fork.apply(an_end(member), trusted=True)
    for member in range(1, MEMBERS):
        fork.completed(member, crc32(CONTENT[:SIZE]))
    assert fork.offsets.crcs_known
    assert not ledger.offsets.crcs_known


def test_open_member_may_be_read_from_its_beginning_on_and_is_made_as_it_was_said_last() -> None:
    """What was decided without a byte of it listed may change; once it has ended, nothing of it does."""
    ledger = a_ledger()
    begun = Begun(1, int(Trait.DESCRIPTOR | Trait.DEFLATE))
    ledger.began(Begun(1, int(Trait.DESCRIPTOR)))
    assert (ledger.begun[1], ledger.listed_begun(1)) == (1, None)
    ledger.apply(begun, trusted=True)
    assert ledger.listed_begun(1) == begun
    assert ledger.offsets.traits[1] == begun.traits | Trait.OPEN
    ledger.apply(an_end(1), trusted=True)
    ledger.apply(Begun(1, int(Trait.DESCRIPTOR)), trusted=True)
    ledger.apply(an_end(1, 7), trusted=True)
    assert (ledger.offsets.traits[1], ledger.offsets.sizes[1]) == (Trait.HELD, SIZE)


def test_part_of_an_open_member_is_proven_only_where_it_is_known_to_lie() -> None:
    """The members before it have ended, and it has begun."""
    ledger = a_ledger()
    ledger.apply(an_extent(3, 0, SIZE), trusted=False)
    assert not ledger.provable(3)
    ledger.apply(an_end(1), trusted=False)
    assert not ledger.provable(3)
    ledger.apply(Begun(3, int(Trait.DESCRIPTOR)), trusted=False)
    assert ledger.provable(3)
    assert ledger.part_offset(3) == ledger.offsets.bytes_start(3)


@pytest.mark.parametrize(
    ("validator", "released", "rebuilt", "replaceable", "withheld"),
    [
        (STRONG, True, False, True, False),
        (STRONG, True, True, True, False),
        (WEAK, False, False, True, False),
        (WEAK, True, False, False, False),
        (WEAK, True, True, True, True),
    ],
)
def test_ledger_tells_what_may_be_replaced_and_what_is_withheld(
    validator: str, released: bool, rebuilt: bool, replaceable: bool, withheld: bool
) -> None:
    """Without a strong validator, what was given out is replaced only where a CRC is known that proves it the same; and
    then nothing of it is read before that agreed.
    """
    ledger = a_ledger(a_layout(2 << 20, validator=validator), released=released, rebuilt=rebuilt)
    assert (ledger.replaceable(0), ledger.withheld(0)) == (replaceable, withheld)
    ledger.completed(0, 5)
    assert not ledger.withheld(0)


def test_ledger_refuses_another_crc_and_other_sizes() -> None:
    """The client's fault where the entry named the CRC; else the file is another one now."""
    given_crc = freeze([Planned(0, "a", None, 5, 77)], frozen_at=0, compressor="")
    a_ledger(given_crc).check_crc(0, 77)
    with pytest.raises(OriginError, match="where 0000004d was given"):
        a_ledger(given_crc).check_crc(0, 78)
    ledger = a_ledger()
    ledger.apply(an_end(1), trusted=True)
    with pytest.raises(Stale, match="not the file that it was"):
        ledger.check_crc(1, 78)
    with pytest.raises(OriginError, match="where 60 were expected"):
        ledger.check_sizes(1, 61, SIZE)
    with pytest.raises(Stale, match="no longer compresses"):
        ledger.check_sizes(1, SIZE, 59)


def test_bytes_that_must_be_pulled_first_are_those_of_members_whose_crc_is_unknown() -> None:
    """A range that begins in the directory needs all of them; one in a member's bytes or behind the directory none."""
    ledger = a_ledger(a_layout(SIZE, SIZE))
    offsets = ledger.offsets
    assert ledger.missing_before(offsets.bytes_start(1)) == 0
    assert ledger.missing_before(offsets.directory_start) == 2 * SIZE
    assert ledger.missing_before(offsets.length - 23) == 2 * SIZE
    assert ledger.missing_before(offsets.length - 22) == 0  # the end record holds no CRC
    ledger.apply(an_extent(0, 0, SIZE), trusted=True)
    ledger.completed(0, crc32(CONTENT[:SIZE]))
    ledger.landed(1, 10)
    assert ledger.missing_before(offsets.directory_start) == SIZE - 10


def test_skipped_members_are_done_and_keep_the_crcs_that_are_known() -> None:
    """A reader in the middle pulls nothing that lies before it, where the CRC is known; and the rest for its CRC."""
    layout = freeze(
        [Planned(0, "a", None, SIZE, 7), Planned(1, "b", None, SIZE, None), Planned(2, "c", None, SIZE, 9)],
        frozen_at=0,
        compressor="",
    )
    ledger = a_ledger(layout)
    ledger.skip(ledger.offsets.offset(2))
    assert [ledger.done(member) for member in range(3)] == [True, False, False]
    assert ledger.crc_of(0) == 7


COLUMNS = {"traits", "sizes", "stored", "crcs", "filled", "committed", "proven", "done", "begun", "complete", "pins"}
OWNERS = {"assembly/ledger.py", "assembly/extents.py", "zip/offsets.py"}
OTHERS = {("folders/packing.py", "crcs")}  # a folder's own offsets: no archive of it fills in


def test_nobody_but_the_ledger_writes_its_columns() -> None:
    """What is known of an archive has one owner: else each writer has its own order, and one of them is wrong."""
    root = Path(streamzip.__file__).parent
    written = {
        (path.relative_to(root).as_posix(), target.value.attr)
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign | ast.AugAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Attribute)
        if target.value.attr in COLUMNS
    }
    assert {(path, column) for path, column in written if path not in OWNERS} == OTHERS
    assert written != OTHERS


def test_member_whose_parts_others_have_pulled_needs_the_rest_of_them_alone() -> None:
    """What another node has told stands for the bytes of a part as far as the member's CRC goes, and for nothing else:
    it is not there, and not done.
    """
    sizes = [20 * MIB, SIZE]
    rows = (Planned(at, f"{at}", None, size, None, ranged=True, validator=STRONG) for at, size in enumerate(sizes))
    layout = freeze(rows, frozen_at=0, compressor="")
    ledger, lengths = Ledger(Offsets(layout)), (8 * MIB, 8 * MIB, 4 * MIB)
    body = bytes(20 * MIB)
    crcs = [crc32(body[:length]) for length in lengths]
    ledger.heard(Extent(0, 0, 8 * MIB - 1, crcs[0]))  # not the whole of it
    ledger.heard(Extent(99, 0, 1, 0))  # of another layout
    assert not ledger.has_heard
    ledger.heard(Extent(1, 0, lengths[1], crcs[1]))
    directory = ledger.offsets.directory_start
    assert ledger.missing_before(directory) == 12 * MIB + SIZE
    ledger.apply(Extent(2, 0, lengths[2], crcs[2]), trusted=True)
    assert [ledger.needed(part) for part in range(4)] == [True, False, False, True]
    assert (ledger.offsets.crcs[0], ledger.done(0), ledger.readable(1)) == (UNKNOWN, False, 0)
    ledger.apply(Extent(0, 0, lengths[0], crcs[0]), trusted=True)
    assert ledger.offsets.crcs[0] == crc32(body)
    assert not ledger.done(0)
    alone = Ledger(Offsets(layout))
    alone.hear_of(ledger)
    assert [alone.needed(part) for part in range(4)] == [True, False, True, True]
    assert not ledger.fork().needed(1)
    with pytest.raises(Stale):
        ledger.check_crc(0, crc32(b"another file"))
