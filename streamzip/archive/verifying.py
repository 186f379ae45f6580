"""Whether the bytes of a copy are those that were pulled: compared with what is signed in the store, or else with what
its journal lists. Reads alone; a gateway may run beside it.

A finished copy is compared byte for byte: headers, descriptors and directory with what the layout and the CRCs give,
members' bytes with their CRC. Of an unfinished one each listed extent is.
"""

import os
import zlib
from collections.abc import Callable, Iterator

from isal import isal_zlib

from streamzip.archive.filling import part_lengths
from streamzip.archive.places import Places
from streamzip.spans import Span
from streamzip.spool.examining import Examined, examine
from streamzip.spool.extents import Extent, Extents
from streamzip.spool.file import Paths
from streamzip.spool.journal import Begun, Drop, Head, Settled
from streamzip.zip.layout import UNKNOWN, Layout, Trait

BLOCK = 1 << 20
LOOKS = 3  # at a copy that somebody may be changing: damage is still there at the last one

Advance = Callable[[int], None]  # told how many bytes were compared


def verify_copy(paths: Paths, layout: Layout, learned: bytes | None, advance: Advance) -> str | None:
    """What is wrong with the archive's copy, in a sentence; None where it is whole, unfinished, or not there."""
    for look in range(LOOKS):
        with examine(paths) as copy:
            wrong = (
                None if copy is None else _Comparison(copy, layout, learned, advance if look == 0 else _nobody).wrong()
            )
        if wrong is None:
            return None
    return wrong


def _nobody(_: int) -> None:
    """What was compared before is not counted again."""


class _Comparison:
    def __init__(self, copy: Examined, layout: Layout, learned: bytes | None, advance: Advance) -> None:
        self._copy = copy
        self._layout = layout
        self._advance = advance
        self._places = Places(layout)
        self._known = learned is not None
        if learned is not None:
            self._places.recall(learned)
        self._extents = Extents(part_lengths(self._places))
        self._begun: set[int] = set()
        self._read_journal()

    def _read_journal(self) -> None:
        digest, settled = self._layout.digest(), list[Settled]()
        of_this_layout = False
        for record in self._copy.records:
            match record:
                case Head(layout):
                    of_this_layout = layout == digest
                case Extent() if of_this_layout:
                    self._extents.commit(record, trusted=False)
                case Drop(part, keep) if of_this_layout and part < self._layout.parts:
                    self._extents.drop(part, keep)
                case Begun(member) if of_this_layout:
                    self._begun.add(member)
                case Settled() if of_this_layout and not self._known and record.member < self._layout.members:
                    settled.append(record)
        for each in settled:
            self._places.settle(each.member, traits=each.traits, size=each.size, stored=each.stored)
            self._places.crcs[each.member] = each.crc
            for number in self._places.parts_of(each.member):
                self._extents.know_length(number, each.stored)

    def wrong(self) -> str | None:
        if not self._copy.finished:
            return next(self._wrong_extents(), None) or (self._copy.damaged and "its journal is damaged") or None
        if not self._known:
            self._learn()
        if not (self._places.complete and self._places.crcs_known):
            return "nothing proves what is in it"
        if self._copy.size != self._places.length:
            return f"it has {self._copy.size:,} bytes and not {self._places.length:,}"
        return next(self._wrong_members(), None) or self._wrong_directory()

    def _learn(self) -> None:
        """The CRCs of stored members from their extents: the copy was finished, and the store not told so yet."""
        for member in range(self._layout.members):
            parts = self._places.parts_of(member)
            stored = not self._places.traits[member] & Trait.DEFLATE
            if self._places.crcs[member] == UNKNOWN and stored and all(self._extents.done[number] for number in parts):
                self._places.crcs[member] = self._extents.member_crc(parts)

    # -- an unfinished copy ------------------------------------------------------------------------------

    def _wrong_extents(self) -> Iterator[str]:
        for number in range(self._layout.parts):
            if not self._extents.committed[number]:
                continue
            part = self._places.part(number)
            ahead = part.member - self._places.placed
            if ahead > 0 or (ahead == 0 and part.member not in self._begun):
                continue  # where it lies shows once those before it have settled, and it has begun
            at = self._places.bytes_start(part.member) + part.start
            for extent in self._extents.extents(number):
                if self._crc(at + extent.start, at + extent.stop) != extent.crc:
                    yield f"bytes {at + extent.start:,} to {at + extent.stop:,} are not those that were pulled"

    # -- a finished one ----------------------------------------------------------------------------------

    def _wrong_members(self) -> Iterator[str]:
        for member in range(self._layout.members):
            if not self._is_right(member):
                yield f"member {member} ({self._layout.names[member]}) is not what was pulled"

    def _is_right(self, member: int) -> bool:
        places, crc = self._places, self._places.crcs[member]
        start, end = places.bytes_start(member), places.end(member)
        stop = end - places.descriptor_length(member)
        if self._read(places.offset(member), start) != places.header(member, crc):
            return False
        if self._read(stop, end) != places.descriptor(member, crc):
            return False
        if places.traits[member] & Trait.DEFLATE:
            return self._inflated(start, stop) == (places.sizes[member], crc)
        return self._crc(start, stop) == crc

    def _inflated(self, start: int, stop: int) -> tuple[int, int] | None:
        """The size and CRC of what a deflated run holds; None where it is none."""
        stream, size, crc = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0
        try:
            for block in self._blocks(start, stop):
                while block:
                    data = stream.decompress(block, BLOCK)
                    size, crc, block = size + len(data), isal_zlib.crc32(data, crc), stream.unconsumed_tail
            data = stream.flush()
        except zlib.error:
            return None
        whole = stream.eof and not stream.unused_data
        return (size + len(data), isal_zlib.crc32(data, crc)) if whole else None

    def _wrong_directory(self) -> str | None:
        position, length = self._places.directory_start, self._places.length
        while position < length:
            wanted = self._places.directory(Span(position, length))
            if self._read(position, position + len(wanted)) != wanted:
                return "its directory is damaged"
            position += len(wanted)
        return None

    # -- the file ----------------------------------------------------------------------------------------

    def _crc(self, start: int, stop: int) -> int:
        crc = 0
        for block in self._blocks(start, stop):
            crc = isal_zlib.crc32(block, crc)
        return crc

    def _read(self, start: int, stop: int) -> bytes:
        return b"".join(self._blocks(start, stop))

    def _blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """The file's bytes, as far as it has them."""
        while start < stop:
            block = os.pread(self._copy.fd, min(BLOCK, stop - start), start)
            if not block:
                return
            self._advance(len(block))
            start += len(block)
            yield block
