"""Whether the bytes of a copy are those that were pulled: compared with what is signed in the store, or else with what
its journal lists. Reads alone; a gateway may run beside it.

A finished copy is compared byte for byte: headers, descriptors and directory with what the layout and the CRCs give,
members' bytes with their CRC. Of an unfinished one each listed extent is.
"""

import os
import zlib
from collections.abc import Callable, Iterator

from isal import isal_zlib

from streamzip.assembly.ledger import Ledger
from streamzip.spans import Span
from streamzip.spool.examining import Examined, examine
from streamzip.spool.file import Paths
from streamzip.zip.layout import UNKNOWN, Layout, Trait
from streamzip.zip.offsets import Offsets

BLOCK = 1 << 20
LOOKS = 3  # at a copy that somebody may be changing: damage is still there at the last one

Advance = Callable[[int], None]  # told how many bytes were compared


def verify_copy(paths: Paths, layout: Layout, learned: bytes | None, advance: Advance) -> str | None:
    """Return what is wrong with the archive's copy, in a sentence; None where it is whole, unfinished, or not there."""
    for look in range(LOOKS):
        with examine(paths) as copy:
            wrong = (
                None if copy is None else _Comparison(copy, layout, learned, advance if look == 0 else _nobody).wrong()
            )
        if wrong is None:
            return None
    return wrong


def _nobody(_: int) -> None:
    """Count nothing: what was compared before was counted then."""


class _Comparison:
    def __init__(self, copy: Examined, layout: Layout, learned: bytes | None, advance: Advance) -> None:
        self._copy = copy
        self._layout = layout
        self._advance = advance
        self._known = learned is not None
        self._offsets = Offsets(layout)
        if learned is not None:
            self._offsets.recall(learned)
        self._ledger = Ledger(self._offsets)
        for record in copy.records if copy.layout == layout.digest() else ():
            self._ledger.apply(record, trusted=False)

    def wrong(self) -> str | None:
        if not self._copy.finished:
            return next(self._wrong_extents(), None) or (self._copy.damaged and "its journal is damaged") or None
        if not self._known:
            self._learn()
        if not (self._offsets.complete and self._offsets.crcs_known):
            return "nothing proves what is in it"
        if self._copy.size != self._offsets.length:
            return f"it has {self._copy.size:,} bytes and not {self._offsets.length:,}"
        return next(self._wrong_members(), None) or self._wrong_directory()

    def _learn(self) -> None:
        """Learn the CRCs of stored members from their extents: the copy was finished, and the store not told yet."""
        offsets, ledger = self._offsets, self._ledger
        for member in range(self._layout.members):
            stored = not offsets.traits[member] & Trait.DEFLATE
            if offsets.crcs[member] == UNKNOWN and stored and ledger.done(member):
                ledger.completed(member, ledger.crc_of(member))

    # -- an unfinished copy ------------------------------------------------------------------------------

    def _wrong_extents(self) -> Iterator[str]:
        ledger = self._ledger
        for part in range(self._layout.parts):
            if not ledger.provable(part):
                continue  # where it lies shows once those before it have ended, and it has begun
            at = ledger.part_offset(part)
            for extent in ledger.extents.extents(part):
                if self._crc(at + extent.start, at + extent.stop) != extent.crc:
                    yield f"bytes {at + extent.start:,} to {at + extent.stop:,} are not those that were pulled"

    # -- a finished one ----------------------------------------------------------------------------------

    def _wrong_members(self) -> Iterator[str]:
        for member in range(self._layout.members):
            if not self._is_right(member):
                yield f"member {member} ({self._layout.names[member]}) is not what was pulled"

    def _is_right(self, member: int) -> bool:
        offsets, crc = self._offsets, self._offsets.crcs[member]
        start, end = offsets.bytes_start(member), offsets.end(member)
        stop = end - offsets.descriptor_length(member)
        if self._read(offsets.offset(member), start) != offsets.header(member, crc):
            return False
        if self._read(stop, end) != offsets.descriptor(member, crc):
            return False
        if offsets.traits[member] & Trait.DEFLATE:
            return self._inflated(start, stop) == (offsets.sizes[member], crc)
        return self._crc(start, stop) == crc

    def _inflated(self, start: int, stop: int) -> tuple[int, int] | None:
        """Return the size and CRC of what a deflated run holds; None where it is none."""
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
        position, length = self._offsets.directory_start, self._offsets.length
        while position < length:
            wanted = self._offsets.directory(Span(position, length))
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
        """Yield the file's bytes, as far as it has them."""
        while start < stop:
            block = os.pread(self._copy.fd, min(BLOCK, stop - start), start)
            if not block:
                return
            self._advance(len(block))
            start += len(block)
            yield block
