"""The offset of every member: the one table of pieces behind length, ranges and directory.

Of an exact layout every offset is known at once. Of an open one they appear in order, at a frontier, as members are
written; then it is as exact as the others. Pure arithmetic on columns; no bytes are held here.
"""

import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from streamzip.spans import Span
from streamzip.zip.container import container_of
from streamzip.zip.layout import PART_SIZE, UNKNOWN, Layout, Trait

DIRECTORY_BLOCK = 2048  # records rendered at once: some 200 KiB, a few milliseconds


class Kind(Enum):
    """What a run of archive bytes is."""

    HEADER = "local header"
    BYTES = "member's bytes"
    DESCRIPTOR = "data descriptor"
    DIRECTORY = "central directory"  # with the end records


class Piece(NamedTuple):
    """A run of archive bytes of one kind, with a known offset. `member` is the member it belongs to, -1 for the
    directory.
    """

    kind: Kind
    member: int
    span: Span


class Part(NamedTuple):
    """What one pull fetches: a run of one member's bytes. `stop` is None where the member's size is not known."""

    number: int
    member: int
    start: int  # within the member's own bytes
    stop: int | None


class Offsets:
    """The offsets of a layout's members, as far as they are known, and what was learned of them on the way.

    While an archive fills in its ledger alone writes these columns; everybody else reads them.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.traits: bytearray = bytearray(layout.traits)
        self.sizes: array[int] = array("q", layout.sizes)
        self.stored: array[int] = array(
            "q", (UNKNOWN if t & Trait.OPEN else s for s, t in zip(layout.sizes, layout.traits, strict=True))
        )
        self.crcs: array[int] = array("q", layout.crcs)
        self._offsets = array("q", [0])
        self._crcs_known = False
        self._directory: array[int] | None = None
        self._container = container_of(layout)
        self._advance()

    @property
    def placed(self) -> int:
        """Return how many members' ends are known: the frontier stands at the member of this number."""
        return len(self._offsets) - 1

    @property
    def complete(self) -> bool:
        """Return whether every offset is known, and with them the archive's length."""
        return self.placed == self.layout.members

    @property
    def crcs_known(self) -> bool:
        """Return whether the directory can be written: every CRC was given, or learned by a pull."""
        if not self._crcs_known:
            self._crcs_known = UNKNOWN not in self.crcs
        return self._crcs_known

    def copied(self) -> "Offsets":
        """Return the same columns, to go on by themselves from here."""
        other = Offsets(self.layout)
        other._fill(self.sizes, self.stored, self.crcs, self.traits)
        return other

    def place(self, member: int, *, traits: int, size: int, stored: int) -> None:
        """Note what a member of an open layout turned out to be; the frontier moves on as far as it now can."""
        self.traits[member] = traits
        self.sizes[member] = size
        self.stored[member] = stored
        self._advance()

    def learned(self) -> bytes:
        """Return what was learned, to be stored once all of it is: sizes, stored sizes, CRCs and traits."""
        return zlib.compress(
            b"".join((self.sizes.tobytes(), self.stored.tobytes(), self.crcs.tobytes(), self.traits)), 1
        )

    def recall(self, learned: bytes) -> None:
        """Apply what an earlier pass learned: every offset is known, and every CRC is what a new pull must have."""
        column, columns = 8 * self.layout.members, zlib.decompress(learned)
        sizes, stored, crcs = (array("q", columns[at * column : (at + 1) * column]) for at in range(3))
        self._fill(sizes, stored, crcs, columns[3 * column :])

    def _fill(self, sizes: "array[int]", stored: "array[int]", crcs: "array[int]", traits: bytes | bytearray) -> None:
        self.sizes, self.stored, self.crcs = array("q", sizes), array("q", stored), array("q", crcs)
        self.traits = bytearray(traits)
        self._advance()

    def _advance(self) -> None:
        offsets, end, container = self._offsets, self._offsets[-1], self._container
        for member in range(self.placed, self.layout.members):
            stored, traits = self.stored[member], self.traits[member]
            if stored == UNKNOWN:
                return
            end += container.header_length(member, traits) + stored + container.descriptor_length(traits, stored)
            offsets.append(end)

    def header_length(self, member: int) -> int:
        """Return the length of the member's local header."""
        return self._container.header_length(member, self.traits[member])

    def descriptor_length(self, member: int) -> int:
        """Return the length of what follows the member's bytes: a data descriptor, or padding."""
        return self._container.descriptor_length(self.traits[member], self.stored[member])

    def offset(self, member: int) -> int:
        """Return where the member's local header begins. The member must be placed, or stand at the frontier."""
        return self._offsets[member]

    def end(self, member: int) -> int:
        """Return where the next member begins. The member must be placed."""
        return self._offsets[member + 1]

    def bytes_start(self, member: int) -> int:
        """Return where the member's own bytes begin in the archive."""
        return self._offsets[member] + self.header_length(member)

    # -- the whole ---------------------------------------------------------------------------------------

    @property
    def directory_start(self) -> int:
        """Return where the central directory begins. All offsets must be known."""
        return self._offsets[self.layout.members]

    def directory_offsets(self) -> "array[int]":
        """Return the offset of each directory record from the directory's start, and its end. For complete ones."""
        if self._directory is None:
            offsets = array("q", [0])
            for member in range(self.layout.members):
                length = self._container.directory_length(
                    member, size=self.sizes[member], stored=self.stored[member], offset=self._offsets[member]
                )
                offsets.append(offsets[-1] + length)
            self._directory = offsets
        return self._directory

    def end_records(self) -> bytes:
        """Return the last bytes of the archive. All offsets must be known."""
        return self._container.end(start=self.directory_start, length=self.directory_offsets()[-1])

    @property
    def length(self) -> int:
        """Return the length of the whole archive. All offsets must be known."""
        return self.directory_start + self.directory_offsets()[-1] + len(self.end_records())

    # -- pieces ------------------------------------------------------------------------------------------

    def member_at(self, offset: int) -> int:
        """Return the member whose header, bytes or descriptor hold this archive offset; beyond the frontier, the one
        that stands there.
        """
        return min(bisect_right(self._offsets, offset) - 1, self.layout.members - 1)

    def piece_at(self, offset: int) -> Piece:
        """Return the piece that holds this archive offset, which must lie before the frontier's member or in it."""
        if self.complete and offset >= self.directory_start:
            return Piece(Kind.DIRECTORY, -1, Span(self.directory_start, self.length))
        member = self.member_at(offset)
        start = self.bytes_start(member)
        if offset < start:
            return Piece(Kind.HEADER, member, Span(self._offsets[member], start))
        if member >= self.placed:  # the frontier: its bytes have begun, their end is not known
            return Piece(Kind.BYTES, member, Span(start, (1 << 63) - 1))
        stop = self._offsets[member + 1] - self.descriptor_length(member)
        if offset < stop:
            return Piece(Kind.BYTES, member, Span(start, stop))
        return Piece(Kind.DESCRIPTOR, member, Span(stop, self._offsets[member + 1]))

    # -- parts -------------------------------------------------------------------------------------------

    def part(self, index: int) -> Part:
        """Return the part with this number."""
        return self._part(self.member_of(index), index)

    def member_of(self, part: int) -> int:
        """Return the member whose bytes the part fetches."""
        # The last of those that begin here: members without bytes have no part.
        return bisect_right(self.layout.first_parts, part) - 1

    def part_at(self, member: int, within: int) -> Part:
        """Return the part that fetches the byte at `within` of the member's own bytes."""
        index = self.layout.first_parts[member]
        return self._part(member, index + within // PART_SIZE if self.traits[member] & Trait.SPLIT else index)

    def _part(self, member: int, index: int) -> Part:
        size, start = self.sizes[member], (index - self.layout.first_parts[member]) * PART_SIZE
        if self.traits[member] & Trait.SPLIT:
            return Part(index, member, start, min(start + PART_SIZE, size))
        return Part(index, member, start, None if size == UNKNOWN else size)

    def part_start(self, member: int, part: int) -> int:
        """Return how far into the archive the member's part begins, give or take the member's header. The member must
        be placed, or stand at the frontier.
        """
        return self._offsets[member] + (part - self.layout.first_parts[member]) * PART_SIZE

    def parts_of(self, member: int) -> range:
        """Return the numbers of the member's parts; empty for one without bytes."""
        firsts = self.layout.first_parts
        return range(firsts[member], firsts[member + 1])

    def part_lengths(self) -> "array[int]":
        """Return the length of every part in the archive, UNKNOWN where it shows only when the part is there."""
        # Before the first byte of an archive all lengths are listed, twice where no copy is kept.
        if self.layout.parts == self.layout.members and not any(map(Trait.SPLIT.__and__, set(self.layout.traits))):
            return array("q", self.stored)
        lengths = array("q")
        for member in range(self.layout.members):
            parts = self.parts_of(member)
            if len(parts) == 1:
                lengths.append(self.stored[member])
            else:
                lengths.extend((part.stop or 0) - part.start for part in map(self.part, parts))
        return lengths

    # -- what lies between the members' bytes ------------------------------------------------------------

    def header(self, member: int, crc: int) -> bytes:
        """Return the member's local header; `crc` is not in it where a descriptor follows."""
        size, stored = max(self.sizes[member], 0), max(self.stored[member], 0)
        return self.header_as(member, traits=self.traits[member], size=size, stored=stored, crc=crc)

    def header_as(self, member: int, *, traits: int, size: int, stored: int, crc: int) -> bytes:
        """Return the local header of a member that turned out so, before that is noted here."""
        return self._container.header(member, traits=traits, size=size, stored=stored, crc=crc)

    def descriptor(self, member: int, crc: int) -> bytes:
        """Return what follows the member's bytes: its data descriptor, padding, or nothing."""
        size, stored = self.sizes[member], self.stored[member]
        return self._container.descriptor(traits=self.traits[member], size=size, stored=stored, crc=crc)

    def directory_block(self, first: int, stop: int) -> bytes:
        """Return the directory records of the members `[first, stop)`; every CRC must be known."""
        return b"".join(self._directory_records(first, stop))

    def _directory_records(self, first: int, stop: int) -> Iterator[bytes]:
        for member in range(first, stop):
            yield self._container.directory_record(
                member,
                traits=self.traits[member],
                crc=self.crcs[member],
                size=self.sizes[member],
                stored=self.stored[member],
                offset=self._offsets[member],
            )

    def directory(self, span: Span) -> bytes:
        """Return archive bytes `span`, which lies in the directory, or their first block; every CRC must be known."""
        offsets, start = self.directory_offsets(), span.start - self.directory_start
        if start >= offsets[-1]:
            end = self.end_records()
            return end[start - offsets[-1] :][: span.length]
        members = self.recorded_in(span)
        return self.directory_block(members.start, members.stop)[start - offsets[members.start] :][: span.length]

    def is_in_end_records(self, offset: int) -> bool:
        """Return whether what lies from archive `offset` on holds no CRC: the records behind a zip's directory. The end
        of a tar follows its members' bytes, and stands for them. All offsets must be known.
        """
        records = self.directory_offsets()[-1]
        return 0 < records <= offset - self.directory_start

    def recorded_in(self, span: Span) -> range:
        """Return the members whose directory records `directory(span)` gives, or parts of which it gives."""
        offsets, start = self.directory_offsets(), span.start - self.directory_start
        if start >= offsets[-1]:
            return range(0)
        first = bisect_right(offsets, start) - 1
        return range(
            first, min(bisect_left(offsets, start + span.length), first + DIRECTORY_BLOCK, self.layout.members)
        )


MOST_RECORDS = (
    4096  # bytes of one member's header, descriptor and directory record: two names of 1 KiB, and their extras
)


def is_longer(layout: Layout, most: int) -> bool:
    """Return whether an archive of this layout certainly has more than `most` bytes."""
    rows = zip(layout.sizes, layout.traits, strict=True)
    known = sum(size for size, traits in rows if not traits & Trait.OPEN)
    if known > most or known + MOST_RECORDS * (layout.members + 1) <= most:
        return known > most
    return layout.exact and Offsets(layout).length > most
