"""Each piece's bytes come of what is known, and what is not is named."""

from streamzip.spans import Span
from streamzip.zip.layout import HELD_LIMIT, Planned, freeze
from streamzip.zip.offsets import Offsets
from streamzip.zip.render import Needs, render
from tests.unit.zip.sparse import know_crcs


def test_render_needs_no_more_checksums_than_its_bytes_hold() -> None:
    """A range of one directory record does not have the other members read for their CRCs."""
    rows = [Planned(index, f"{index}.bin", None, HELD_LIMIT + 1, None) for index in range(3)]
    offsets = Offsets(freeze(rows, frozen_at=0, compressor=""))
    records = offsets.directory_offsets()
    second = Span(offsets.directory_start + records[1], offsets.directory_start + records[2])
    directory = offsets.piece_at(second.start)
    assert render(offsets, directory, second) == Needs(range(1, 2))
    assert render(offsets, directory, Span(second.start + 1, second.stop + 1)) == Needs(range(1, 3))
    end = Span(offsets.directory_start + records[-1], offsets.length)
    assert isinstance(render(offsets, directory, end), bytes)
    descriptor = offsets.piece_at(offsets.offset(1) - 1)
    assert render(offsets, descriptor, descriptor.span) == Needs(range(1))
    header = offsets.piece_at(0)
    assert isinstance(render(offsets, header, header.span), bytes)
    own = offsets.piece_at(offsets.bytes_start(2))
    assert render(offsets, own, own.span) == Needs(range(2, 3), own_bytes=True)
    know_crcs(offsets)
    assert render(offsets, directory, second) == offsets.directory(second)


def test_header_of_a_held_member_needs_its_checksum() -> None:
    """No descriptor follows it: its CRC stands in the header."""
    offsets = Offsets(freeze([Planned(0, "a", None, 5, None)], frozen_at=0, compressor=""))
    header = offsets.piece_at(0)
    assert render(offsets, header, header.span) == Needs(range(1))
