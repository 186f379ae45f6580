"""Which bytes of each part are there, and by which CRC they are proven. Pure; the ledger alone writes it.

A part is pulled from its start to its end, so its extents touch, and its state is how far it has come:

    filled      bytes that may be read by this process (each chunk as it lands)
    committed   bytes that the journal lists; other processes and later ones know these
    proven      bytes that this process wrote, saw another live process write, or checked against their CRC

`proven` ≤ `filled`; what an earlier process left is committed and not proven, until it is read and its CRC agrees.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from isal import isal_zlib

from streamzip.spool.journal import Extent

CHAINED = 8 << 20  # bytes; extents that touch are kept as one up to this length: they may be listed chunk by chunk


@dataclass(slots=True)
class Extents:
    """The state of every part. `lengths`: bytes of each, -1 where not known yet."""

    lengths: "array[int]"
    filled: "array[int]" = field(init=False)
    committed: "array[int]" = field(init=False)
    proven: "array[int]" = field(init=False)
    crcs: "array[int]" = field(init=False)  # of the committed bytes
    done: bytearray = field(init=False)
    missing: int = field(init=False)  # parts that are not done
    present: int = field(init=False, default=0)  # bytes filled, of all parts
    _chains: dict[int, list[Extent]] = field(init=False, default_factory=dict)  # of parts with several extents

    def __post_init__(self) -> None:
        zeros = bytes(8 * len(self.lengths))
        self.filled, self.committed, self.proven = array("q", zeros), array("q", zeros), array("q", zeros)
        self.crcs = array("Q", zeros)
        self.done = bytearray(len(self.lengths))
        self.missing = len(self.lengths)

    def copied(self) -> "Extents":
        """Return the same state, to go on by itself from here. What no journal lists yet is left out: it
        may still turn out not to be there.
        """
        other = Extents(array("q", self.lengths))
        other.filled, other.committed = array("q", self.filled), array("q", self.committed)
        other.proven, other.crcs = array("q", self.proven), array("Q", self.crcs)
        other.done[:], other.missing, other.present = self.done, self.missing, self.present
        other._chains.update((part, list(chain)) for part, chain in self._chains.items())
        for part, filled in enumerate(self.filled):
            if filled > self.committed[part]:
                other.rollback(part)
        return other

    def grow(self, part: int, length: int) -> None:
        """Note `length` more bytes of the part, written by this process."""
        self.filled[part] += length
        self.proven[part] = self.filled[part]
        self.present += length

    def commit(self, extent: Extent, *, trusted: bool) -> bool:
        """Apply an extent that the journal lists; False where it does not continue what is there (known already, or
        void).
        """
        part = extent.part
        if part >= len(self.lengths):
            return False
        start = self.committed[part]
        if extent.start != start or extent.stop <= start:
            return False
        if 0 <= self.lengths[part] < extent.stop:
            return False
        if start:
            self._chain(self._chains.setdefault(part, [Extent(part, 0, start, self.crcs[part])]), extent)
            self.crcs[part] = isal_zlib.crc32_combine(self.crcs[part], extent.crc, extent.stop - start)
        else:
            self.crcs[part] = extent.crc
        self.committed[part] = extent.stop
        if trusted and self.proven[part] == start:
            self.proven[part] = extent.stop
        if extent.stop > self.filled[part]:
            self.present += extent.stop - self.filled[part]
            self.filled[part] = extent.stop
        self._note_done(part)
        return True

    @staticmethod
    def _chain(chain: list[Extent], extent: Extent) -> None:
        last = chain[-1]
        if extent.stop - last.start > CHAINED:
            chain.append(extent)
            return
        crc = isal_zlib.crc32_combine(last.crc, extent.crc, extent.stop - extent.start)
        chain[-1] = Extent(extent.part, last.start, extent.stop, crc)

    def assume(self, part: int) -> None:
        """Note that the part is not needed: what it would prove is known."""
        if not self.done[part]:
            self.done[part] = 1
            self.missing -= 1

    def know_length(self, part: int, length: int) -> None:
        """Note that the part turned out to have this many bytes."""
        self.lengths[part] = length
        self._note_done(part)

    def _note_done(self, part: int) -> None:
        if not self.done[part] and self.committed[part] == self.lengths[part]:
            self.done[part] = 1
            self.missing -= 1

    def drop(self, part: int, keep: int = 0) -> None:
        """Forget what lies beyond the part's first `keep` bytes, and what lies between the last extent's end and `keep`
        with it.
        """
        chain = [extent for extent in self.extents(part) if extent.stop <= keep]
        keep = chain[-1].stop if chain else 0
        self.present -= self.filled[part] - keep
        if self.done[part]:
            self.done[part] = 0
            self.missing += 1
        self.filled[part] = self.committed[part] = keep
        self.proven[part] = min(self.proven[part], keep)
        self._chains.pop(part, None)
        self.crcs[part] = self._chain_crc(chain)
        if len(chain) > 1:
            self._chains[part] = chain

    @staticmethod
    def _chain_crc(chain: Iterable[Extent]) -> int:
        crc = 0
        for extent in chain:
            crc = isal_zlib.crc32_combine(crc, extent.crc, extent.stop - extent.start)
        return crc

    def rollback(self, part: int) -> None:
        """Forget bytes that were written and not committed: their pull ended before the journal could list them."""
        self.present -= self.filled[part] - self.committed[part]
        self.filled[part] = self.committed[part]
        self.proven[part] = min(self.proven[part], self.filled[part])

    def extents(self, part: int) -> list[Extent]:
        """Return the part's committed extents, in order."""
        if part in self._chains:
            return self._chains[part]
        committed = self.committed[part]
        return [Extent(part, 0, committed, self.crcs[part])] if committed else []

    def unproven(self, part: int) -> Iterator[Extent]:
        """Return the extents that must agree with their CRC before they are used."""
        return (extent for extent in self.extents(part) if extent.stop > self.proven[part])

    def member_crc(self, parts: range) -> int:
        """Return the CRC of a member from those of its parts, which must all be done."""
        crc = 0
        for part in parts:
            crc = isal_zlib.crc32_combine(crc, self.crcs[part], self.lengths[part])
        return crc
