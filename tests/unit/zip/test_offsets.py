"""The places: one table, held to the bytes it renders and to what Python's own zipfile reads in them."""

import zipfile
from typing import IO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.spans import Span
from streamzip.zip.layout import HELD_LIMIT, PART_SIZE, UNKNOWN, Layout, Planned, Trait, freeze
from streamzip.zip.offsets import DIRECTORY_BLOCK, Kind, Offsets, Piece
from tests.unit.zip.sparse import EDGES, SparseArchive, a_layout, know_crcs, layouts, outcomes, place

STRONG = 's"v1"'


def pieces_of(places: Offsets) -> list[Piece]:
    """Every piece from the first byte to the last, each found by where the one before it ends."""
    pieces, offset = [], 0
    while offset < places.length:
        pieces.append(places.piece_at(offset))
        assert pieces[-1].span.stop > offset
        offset = pieces[-1].span.stop
    return pieces


def complete(data: st.DataObject, layout: Layout) -> Offsets:
    """The layout's places with every open member settled as hypothesis chooses, and every CRC known."""
    places = Offsets(layout)
    for member in range(layout.members):
        if layout.traits[member] & Trait.OPEN:
            place(places, member, data.draw(outcomes(layout, member)))
    know_crcs(places)
    return places


@settings(deadline=None)
@given(st.data())
def test_length_is_the_sum_of_all_rendered_bytes(data: st.DataObject) -> None:
    """The pieces follow one another without gap or overlap, each is as long as what is rendered for it, and they end at
    the length.
    """
    places = complete(data, data.draw(layouts()))
    total = 0
    for piece in pieces_of(places):
        assert piece.span.start == total
        crc = places.crcs[piece.member] if piece.member >= 0 else 0
        match piece.kind:
            case Kind.HEADER:
                rendered = len(places.header(piece.member, crc))
            case Kind.BYTES:
                rendered = places.stored[piece.member]
            case Kind.DESCRIPTOR:
                rendered = len(places.descriptor(piece.member, crc))
            case Kind.DIRECTORY:
                rendered = len(places.directory_block(0, places.layout.members)) + len(places.end_records())
        assert piece.span.length == rendered
        total += rendered
    assert total == places.length


@settings(deadline=None)
@given(st.data())
def test_piece_at_is_the_same_piece_for_each_of_its_bytes(data: st.DataObject) -> None:
    """Any offset gives the piece that holds it, at its edges too."""
    places = complete(data, data.draw(layouts()))
    piece = data.draw(st.sampled_from(pieces_of(places)))
    inside = st.integers(piece.span.start, piece.span.stop - 1)
    for offset in (piece.span.start, piece.span.stop - 1, data.draw(inside)):
        assert places.piece_at(offset) == piece


@settings(deadline=None)
@given(st.data())
def test_piece_at_knows_each_members_own_bytes(data: st.DataObject) -> None:
    """A member with bytes has one piece of them, at its bytes_start, and they end where its descriptor begins."""
    places = complete(data, data.draw(layouts()))
    found = {piece.member: piece.span for piece in pieces_of(places) if piece.kind is Kind.BYTES}
    assert found.keys() == {member for member, stored in enumerate(places.stored) if stored}
    for member, span in found.items():
        assert span.start == places.bytes_start(member)
        assert span.length == places.stored[member]
        assert span.stop + places.descriptor_length(member) == places.end(member)
        assert places.member_at(span.start) == places.member_at(span.stop - 1) == member


@settings(deadline=None)
@given(st.data())
def test_zipfile_reads_what_the_places_render(data: st.DataObject) -> None:
    """Python's own reader finds every member, huge or not, where and as the places have it."""
    places = complete(data, data.draw(layouts()))
    with zipfile.ZipFile(cast(IO[bytes], SparseArchive(places))) as archive:
        infos = archive.infolist()
        assert archive.start_dir == places.directory_start
        for info in infos:
            # Reads the local header and compares its name with the directory's.
            archive.open(info).close()
    layout = places.layout
    assert [info.orig_filename for info in infos] == list(layout.names)
    assert [info.header_offset for info in infos] == [places.offset(member) for member in range(layout.members)]
    assert [info.file_size for info in infos] == list(places.sizes)
    assert [info.compress_size for info in infos] == list(places.stored)
    assert [info.CRC for info in infos] == list(places.crcs)
    assert [bool(info.compress_type) for info in infos] == [bool(traits & Trait.DEFLATE) for traits in places.traits]


@pytest.mark.parametrize("size", EDGES)
def test_zipfile_reads_members_at_the_zip64_edges(size: int) -> None:
    """A member of 2^31 or 2^32 bytes, give or take one, and the one after it, open with and without a descriptor."""
    places = Offsets(a_layout({"size": size}, {"size": size, "crc32": 1}, {"size": 3}))
    know_crcs(places)
    with zipfile.ZipFile(cast(IO[bytes], SparseArchive(places))) as archive:
        infos = archive.infolist()
        with archive.open(infos[2]) as member:
            member._expected_crc = None  # type: ignore[attr-defined]  # zeros, not what a CRC was made up for
            assert member.read() == bytes(3)
    assert [info.file_size for info in infos] == [size, size, 3]
    assert infos[2].header_offset == places.offset(2) > 2 * size


@pytest.mark.parametrize("entries", [65_534, 65_535, 65_536, 100_000])
def test_zipfile_reads_an_archive_of_many_entries(entries: int) -> None:
    """On both sides of the 16-bit count, the end records lead to as many members as there are."""
    rows = [Planned(number, f"{number:06}", None, 0, 0) for number in range(entries)]
    places = Offsets(freeze(rows, frozen_at=1, compressor=""))
    end = places.end_records()
    assert len(end) == (22 if entries < 65_535 else 98)
    assert places.length == entries * (36 + 52) + len(end)
    with zipfile.ZipFile(cast(IO[bytes], SparseArchive(places))) as archive:
        infos = archive.infolist()
    assert len(infos) == entries
    assert infos[-1].header_offset == places.offset(entries - 1)


def test_length_is_that_of_the_end_record_for_no_members() -> None:
    """An archive of nothing is 22 bytes."""
    places = Offsets(freeze([], frozen_at=1, compressor=""))
    assert places.complete
    assert places.length == 22
    assert places.piece_at(0) == Piece(Kind.DIRECTORY, -1, Span(0, 22))


# -- the directory ----------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.data())
def test_directory_gives_the_bytes_of_any_span(data: st.DataObject) -> None:
    """A span of the directory is cut from the whole of it, wherever it begins and ends."""
    places = complete(data, data.draw(layouts()))
    whole = places.directory_block(0, places.layout.members) + places.end_records()
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, len(whole)))
    found = b""
    while start + len(found) < stop:
        at = places.directory_start + start + len(found)
        found += places.directory(Span(at, places.directory_start + stop))
    assert found == whole[start:stop]


def test_directory_renders_a_block_at_a_time() -> None:
    """A reader of a large directory gets some thousand records at once, not all of them."""
    rows = [Planned(number, f"{number:06}", None, 0, 0) for number in range(2 * DIRECTORY_BLOCK + 1)]
    places = Offsets(freeze(rows, frozen_at=1, compressor=""))
    start = places.directory_start
    assert len(places.directory(Span(start, places.length))) == DIRECTORY_BLOCK * 52
    assert len(places.directory(Span(start + 52 * DIRECTORY_BLOCK + 1, places.length))) == DIRECTORY_BLOCK * 52 - 1
    assert len(places.directory(Span(start + 2 * 52 * DIRECTORY_BLOCK, places.length))) == 52
    assert places.directory(Span(start + 52 * len(rows), places.length)) == places.end_records()


# -- parts ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(layouts(exact=True))
def test_parts_cover_each_member_once(layout: Layout) -> None:
    """The parts of a member follow one another from its first byte to its last, and their numbers run through."""
    places, number = Offsets(layout), 0
    for member in range(layout.members):
        parts = places.parts_of(member)
        assert parts.start == number
        if len(parts) > 2000:  # a terabyte: its ends say enough
            assert places.part(parts[-1]).stop == layout.sizes[member]
            assert places.part(parts[-1]).start == PART_SIZE * (len(parts) - 1)
            number = parts.stop
            continue
        reached = 0
        for index in parts:
            part = places.part(index)
            assert (part.number, part.member, part.start) == (number, member, reached)
            assert part.stop is not None and part.stop > part.start
            reached, number = part.stop, number + 1
        assert reached == (0 if layout.traits[member] & Trait.REPORT else layout.sizes[member])
    assert number == layout.parts


@settings(deadline=None)
@given(st.data())
def test_part_at_is_the_part_that_holds_the_byte(data: st.DataObject) -> None:
    """Any byte of a member leads to the part that fetches it."""
    layout = data.draw(layouts(exact=True).filter(lambda layout: layout.parts > 0))
    places = Offsets(layout)
    part = places.part(data.draw(st.integers(0, layout.parts - 1)))
    assert part.stop is not None
    within = data.draw(st.integers(part.start, part.stop - 1))
    assert places.part_at(part.member, within) == part


def test_part_of_a_member_of_unknown_size_has_no_stop_until_it_is_known() -> None:
    """It is pulled to its end, wherever that is."""
    places = Offsets(a_layout({"size": 0}, {"size": None}))
    assert places.part(0).member == 1
    assert places.part(0).stop is None
    places.place(1, traits=int(Trait.HELD), size=77, stored=77)
    assert places.part(0).stop == 77


# -- open layouts -----------------------------------------------------------------------------------------------------


def test_places_stop_at_the_first_member_whose_end_is_unknown() -> None:
    """Up to the frontier everything is placed; beyond it nothing is."""
    places = Offsets(a_layout({"size": 10}, {"size": 2 * HELD_LIMIT, "deflate": True}, {"size": 10}, {"size": None}))
    assert (places.placed, places.complete) == (1, False)
    start = places.bytes_start(1)
    assert places.piece_at(places.offset(1)) == Piece(Kind.HEADER, 1, Span(places.offset(1), start))
    frontier = places.piece_at(start + 10**12)
    assert (frontier.kind, frontier.member, frontier.span.start) == (Kind.BYTES, 1, start)
    places.place(1, traits=int(Trait.DEFLATE | Trait.DESCRIPTOR), size=2 * HELD_LIMIT, stored=1000)
    assert (places.placed, places.complete) == (3, False)
    assert places.piece_at(start + 999) == Piece(Kind.BYTES, 1, Span(start, start + 1000))
    assert places.piece_at(start + 1000) == Piece(Kind.DESCRIPTOR, 1, Span(start + 1000, start + 1016))
    assert places.piece_at(start + 1016).member == 2
    places.place(3, traits=int(Trait.HELD), size=5, stored=5)
    assert places.complete
    assert places.length == pieces_of(places)[-1].span.stop


@settings(deadline=None)
@given(st.data())
def test_places_do_not_depend_on_the_order_in_which_members_end(data: st.DataObject) -> None:
    """Members that end out of order, as another process's journal may tell, lie where those in order do."""
    layout = data.draw(layouts())
    ends = {
        member: data.draw(outcomes(layout, member))
        for member in range(layout.members)
        if layout.traits[member] & Trait.OPEN
    }
    in_order, shuffled = Offsets(layout), Offsets(layout)
    for member, outcome in ends.items():
        place(in_order, member, outcome)
    for member in data.draw(st.permutations(list(ends))):
        assert not shuffled.complete
        place(shuffled, member, ends[member])
    assert shuffled.complete
    assert pieces_of(shuffled) == pieces_of(in_order)


@settings(deadline=None)
@given(st.data())
def test_places_placed_before_a_member_ends_stay_where_they_are(data: st.DataObject) -> None:
    """One layout, one sequence of bytes: what was placed once never moves."""
    layout = data.draw(layouts())
    places, seen = Offsets(layout), list[Piece]()
    for member in range(layout.members):
        if layout.traits[member] & Trait.OPEN:
            assert places.placed == member
            place(places, member, data.draw(outcomes(layout, member)))
        assert all(places.piece_at(piece.span.start) == piece for piece in seen)
        seen.append(places.piece_at(places.offset(member)))


@settings(deadline=None)
@given(st.data())
def test_places_come_back_from_what_was_learned(data: st.DataObject) -> None:
    """An archive whose copy was evicted has its places, length and CRCs at once, without a pull."""
    layout = data.draw(layouts())
    places, again = complete(data, layout), Offsets(layout)
    again.recall(places.learned())
    assert again.complete
    assert (again.sizes, again.stored, again.crcs, again.traits) == (
        places.sizes,
        places.stored,
        places.crcs,
        places.traits,
    )
    assert pieces_of(again) == pieces_of(places)
    assert again.directory_block(0, layout.members) == places.directory_block(0, layout.members)


def test_places_know_the_crcs_that_were_given_and_no_others() -> None:
    """A CRC is known before its member is pulled only where the manifest gave it."""
    assert list(Offsets(a_layout({"crc32": 5}, {})).crcs) == [5, UNKNOWN]
