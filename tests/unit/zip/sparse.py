"""Layouts and archives of gigabytes that weigh nothing: members' bytes are zeros that are never held."""

import io
from array import array
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from streamzip.spans import Span
from streamzip.zip.layout import HELD_LIMIT, PART_SIZE, Layout, Planned, Trait, freeze
from streamzip.zip.offsets import Kind, Offsets
from streamzip.zip.render import render

EDGES = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1)
SIZES = (0, 1, HELD_LIMIT, HELD_LIMIT + 1, PART_SIZE, PART_SIZE + 1, 3 * PART_SIZE, 5 << 30, 1 << 40, *EDGES)
TIMES = (0, 1, 315532799, 315532800, 1777629600, 4354819198, 4354819199, 2**31 - 1, 2**31, 2**40)

names = st.text("aé日🎉/ .", min_size=1, max_size=40)
sizes = st.sampled_from(SIZES) | st.integers(0, 2**33)


@st.composite
def planned(draw: st.DrawFn, *, exact: bool) -> Planned:
    """Any row of a plan; of an exact layout where `exact`."""
    return Planned(
        entry=draw(st.integers(0, 10**6)),
        name=draw(names),
        mtime=draw(st.none() | st.sampled_from(TIMES)),
        size=draw(sizes if exact else st.none() | sizes),
        crc32=draw(st.none() | st.integers(0, 2**32 - 1)),
        deflate=not exact and draw(st.booleans()),
        ranged=draw(st.booleans()),
        validator=draw(st.sampled_from(["", 's"v1"', "wMon, 01 Jan 2024 00:00:00 GMT"])),
    )


@st.composite
def layouts(draw: st.DrawFn, *, exact: bool = False) -> Layout:
    """Any layout of a few members, with or without a report."""
    rows = draw(st.lists(planned(exact=exact), max_size=8))
    report = draw(st.none() | st.tuples(st.just("archive-report.json"), st.binary(min_size=1, max_size=2000)))
    return freeze(rows, frozen_at=1777629600, compressor="c0ffee", report=report)


def a_layout(*rows: dict[str, Any], report: tuple[str, bytes] | None = None) -> Layout:
    """A layout of these members, with everything beside the point filled in."""
    plan = [
        Planned(entry, **({"name": f"{entry}.bin", "mtime": None, "size": 1, "crc32": None} | row))
        for entry, row in enumerate(rows)
    ]
    return freeze(plan, frozen_at=1777629600, compressor="c0ffee", report=report)


@dataclass(frozen=True)
class Outcome:
    """What an open member turned out to be."""

    traits: Trait
    size: int
    stored: int


def outcomes(layout: Layout, member: int) -> st.SearchStrategy[Outcome]:
    """Any end that the writing of an open member can come to: by its traits as frozen."""
    frozen = Trait(layout.traits[member])
    wish = Trait.DEFLATE if frozen & Trait.DEFLATE else Trait.NONE
    known = layout.sizes[member]
    small = st.integers(0, HELD_LIMIT) if known < 0 else st.just(known)
    held = st.builds(lambda size: Outcome(Trait.HELD, size, size), small)
    packed = st.builds(lambda size: Outcome(Trait.HELD | wish, size, size // 2), small)
    if frozen & Trait.HELD:
        return held | packed
    kept = Trait.DESCRIPTOR | (frozen & Trait.ZIP64)
    large = st.sampled_from([size for size in SIZES if size > HELD_LIMIT]) if known < 0 else st.just(known)
    long = st.builds(lambda size: Outcome(kept, size, size), large)
    shrunk = st.builds(
        lambda size, by: Outcome(kept | wish, size, size // by if wish else size), large, st.integers(2, 90)
    )
    return held | packed | long | shrunk if known < 0 else long | shrunk


def place(places: Offsets, member: int, outcome: Outcome) -> None:
    """As the writer of an open member does."""
    places.place(member, traits=int(outcome.traits), size=outcome.size, stored=outcome.stored)


def know_crcs(places: Offsets) -> None:
    """Give every member that has none a CRC of its own."""
    known = (0xC0000000 + member if crc < 0 else crc for member, crc in enumerate(places.crcs))
    places.crcs = array("q", known)


class SparseArchive(io.RawIOBase):
    """The archive that complete places describe, as a file to read: each read goes from piece to piece."""

    def __init__(self, places: Offsets) -> None:
        self._places = places
        self._at = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._places.length}[whence] + offset
        if at < 0:
            raise OSError("before the first byte")
        self._at = at
        return at

    def read(self, size: int = -1, /) -> bytes:
        stop = self._places.length if size < 0 else min(self._at + size, self._places.length)
        found = []
        while self._at < stop:
            found.append(self.run(Span(self._at, stop)))
            self._at += len(found[-1])
        return b"".join(found)

    def run(self, span: Span) -> bytes:
        """The bytes of the span, as far as one piece has them."""
        places, piece = self._places, self._places.piece_at(span.start)
        stop = min(span.stop, piece.span.stop)
        rendered = render(places, piece, Span(span.start, stop))
        if isinstance(rendered, bytes):
            return rendered
        assert piece.kind is Kind.BYTES
        return bytes(stop - span.start)
