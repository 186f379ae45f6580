"""The ledger of one archive filling in: all that is known of it, in columns, and the only writer of them.

    offsets     where each member lies, its sizes, its CRC                  zip/offsets.py
    extents     how far each part has come, and how far it is proven        extents.py
    pins        the version that each member's bytes are of
    begun       members whose header may be read although their end is not known
    complete    members whose header, bytes and descriptor are all in the file

Pure: no loop, no disk. What is known changes by few verbs. `apply` takes a record of the journal, whoever wrote it:
this process, another one that is followed, one before it, or whoever made the copy that `streamzip verify` looks at.
The other verbs note what no record says: `began` and `landed` what is written and not listed yet, `proved` what was
read back, `completed` what is all in the file.
"""

from isal import isal_zlib

from streamzip.assembly.extents import Extents
from streamzip.errors import OriginError, Stale
from streamzip.spool.journal import ArchiveRecord, Begun, Drop, Ended, Extent, Pin
from streamzip.zip.layout import UNKNOWN, Layout, Trait
from streamzip.zip.offsets import Kind, Offsets


class Ledger:
    """What is known of an archive whose members lie at `offsets`.

    `released`: bytes of members without a strong validator may have been given out. `rebuilt`: what is pulled must be
    what an earlier pass gave out, of which the CRCs are known.
    """

    def __init__(
        self, offsets: Offsets, *, extents: Extents | None = None, released: bool = False, rebuilt: bool = False
    ) -> None:
        self.layout: Layout = offsets.layout
        self.offsets = offsets
        self.extents = Extents(offsets.part_lengths()) if extents is None else extents
        self.pins: dict[int, Pin] = {}
        self.begun = bytearray(self.layout.members)
        self.complete = bytearray(self.layout.members)
        self.released = released
        self._rebuilt = rebuilt
        self._listed: dict[int, Begun] = {}  # of open members: how they have begun, as the journal has it
        self._skipped: set[int] = set()  # members whose CRC is known, and not all of whose bytes are needed
        self._heard: dict[int, int] = {}  # CRCs of parts that another node has pulled

    def fork(self) -> "Ledger":
        """Return a ledger that begins with what this one lists, and goes on by itself.

        Once every offset is known they are shared: what one of the two learns of a CRC is true for both.
        """
        offsets = self.offsets if self.offsets.complete else self.offsets.copied()
        other = Ledger(offsets, extents=self.extents.copied(), released=self.released)
        other.pins.update(self.pins)
        other.begun[:], other.complete[:] = self.begun, self.complete
        other._listed.update(self._listed)
        other._skipped.update(self._skipped)
        other._heard.update(self._heard)
        return other

    # -- verbs -------------------------------------------------------------------------------------------

    def apply(self, record: ArchiveRecord, *, trusted: bool) -> None:
        """Apply a record of the journal. What says nothing new, or nothing that can be, changes nothing.

        `trusted`: a process that lives has written it, this one or another; else its bytes must be proven before use.
        """
        match record:
            case Extent(part):
                self.extents.commit(record, trusted=trusted)
                if self._heard and part < len(self.extents.done) and self.extents.done[part]:
                    self._work_out(self.offsets.member_of(part))
            case Drop(part, keep):
                self._drop(part, keep, trusted=trusted)
            case Pin(member) if member < self.layout.members:
                self.pins[member] = record
            case Begun(member) if self._is_open(member):
                self._listed[member] = record
                self._decide(record)
            case Ended(member) if self._is_open(member):
                self._end(record)

    def began(self, begun: Begun) -> None:
        """Note that an open member's header is written; nothing of the member is listed yet."""
        self._decide(begun)
        self.begun[begun.member] = 1

    def landed(self, part: int, length: int) -> None:
        """Note `length` more bytes of the part, written by this process and not listed yet."""
        self.extents.grow(part, length)

    def proved(self, part: int, upto: int | None = None) -> None:
        """Note that the part's listed bytes were read back, and agree with their CRC up to `upto` (None: all)."""
        extents = self.extents
        extents.proven[part] = extents.committed[part] if upto is None else min(upto, extents.proven[part])

    def completed(self, member: int, crc: int) -> None:
        """Note that the member's header, bytes and descriptor are in the file; `crc` is its CRC-32."""
        self.offsets.crcs[member] = crc
        self.begun[member] = self.complete[member] = 1

    def heard(self, extent: Extent) -> None:
        """Note that another node has pulled a whole part, of a member with a strong validator: its bytes are not here,
        and whoever wants no more of it than its CRC need not pull them.
        """
        if extent.part < len(self.extents.lengths) and (extent.start, extent.stop) == (
            0,
            self.extents.lengths[extent.part],
        ):
            self._heard[extent.part] = extent.crc
            self._work_out(self.offsets.member_of(extent.part))

    def hear_of(self, other: "Ledger") -> None:
        """Note all that the other ledger heard."""
        for part, crc in other._heard.items():
            self.heard(Extent(part, 0, other.extents.lengths[part], crc))

    def gave_out(self) -> None:
        """Note that bytes of members without a strong validator may have been given out."""
        self.released = True

    def skip(self, start: int) -> None:
        """Note that nothing before archive offset `start` is needed, of members whose CRC is known."""
        offsets, lengths = self.offsets, self.extents.lengths
        if not offsets.complete:
            return
        for member in range(self.layout.members):
            if offsets.offset(member) >= start:
                return
            if offsets.crcs[member] == UNKNOWN:
                continue
            if offsets.end(member) <= start:
                self.complete[member] = 1
            self._skipped.add(member)
            begins = offsets.bytes_start(member)
            for part in offsets.parts_of(member):
                if begins + offsets.part(part).start + lengths[part] <= start:
                    self.extents.assume(part)

    def _work_out(self, member: int) -> None:
        """Note the member's CRC, where those of all its parts are known."""
        offsets, extents, parts = self.offsets, self.extents, self.offsets.parts_of(member)
        if offsets.crcs[member] != UNKNOWN or any(map(self.needed, parts)):
            return
        crc = 0
        for part in parts:
            own = extents.crcs[part] if extents.done[part] else self._heard[part]
            crc = isal_zlib.crc32_combine(crc, own, extents.lengths[part])
        offsets.crcs[member] = crc

    def _drop(self, part: int, keep: int, *, trusted: bool) -> None:
        extents = self.extents
        if part >= len(extents.lengths) or keep >= extents.committed[part]:
            return
        # What this process has proven stays: its own records are read again, too, and what another one found damaged
        # may have been mended since.
        if not (trusted and keep < extents.proven[part]):
            extents.drop(part, keep)

    def _is_open(self, member: int) -> bool:
        return member < self.layout.members and self.layout.traits[member] & Trait.OPEN != 0

    def _decide(self, begun: Begun) -> None:
        member, offsets = begun.member, self.offsets
        if offsets.stored[member] == UNKNOWN:
            offsets.traits[member] = begun.traits | Trait.OPEN
            self.begun[member] = 1

    def _end(self, ended: Ended) -> None:
        member, offsets = ended.member, self.offsets
        if offsets.stored[member] != UNKNOWN:
            return
        offsets.place(member, traits=ended.traits, size=ended.size, stored=ended.stored)
        offsets.crcs[member] = ended.crc
        self.extents.know_length(offsets.parts_of(member).start, ended.stored)

    # -- questions ---------------------------------------------------------------------------------------

    @property
    def all_there(self) -> bool:
        """Return whether every part is done."""
        return self.extents.missing == 0 and self.offsets.complete

    @property
    def length(self) -> int | None:
        """Return the archive's length in bytes; None where it is not known yet."""
        return self.offsets.length if self.offsets.complete else None

    @property
    def entries_done(self) -> int:
        """Return how many entries are all there; the report is none of them."""
        offsets, traits = self.offsets, self.layout.traits
        known = range(self.layout.members if offsets.complete else offsets.placed)
        return sum(self.done(member) for member in known if not traits[member] & Trait.REPORT)

    def done(self, member: int) -> bool:
        """Return whether all of the member's bytes are there."""
        parts = self.offsets.parts_of(member)
        return self.extents.done.find(0, parts.start, parts.stop) < 0

    def needed(self, part: int) -> bool:
        """Return whether the part must be pulled for its member's CRC to be known."""
        return not self.extents.done[part] and part not in self._heard

    @property
    def has_heard(self) -> bool:
        """Return whether another node has pulled any part."""
        return bool(self._heard)

    def readable(self, part: int) -> int:
        """Return how many of the part's bytes may be read from the spool: those that are proven."""
        return self.extents.proven[part]

    def unproven(self, part: int) -> bool:
        """Return whether listed bytes of the part must be read back before they are used."""
        return self.extents.proven[part] < self.extents.committed[part]

    def provable(self, part: int) -> bool:
        """Return whether it is known where the part's listed bytes lie, so that they can be read back."""
        member = self.offsets.member_of(part)
        if self.offsets.placed < member:
            return False
        return not self.offsets.traits[member] & Trait.OPEN or self.begun[member] != 0

    def part_offset(self, part: int) -> int:
        """Return where the part begins in the archive. Its member must be placed, or stand at the frontier."""
        member = self.offsets.member_of(part)
        return self.offsets.bytes_start(member) + self.offsets.part(part).start

    def listed_begun(self, member: int) -> Begun | None:
        """Return how the open member has begun, as the journal has it; None where it has no record of that."""
        return self._listed.get(member)

    def strong(self, member: int) -> bool:
        """Return whether a strong validator tells the member's version from any other."""
        pin = self.pins.get(member)
        return self.layout.validators[member].startswith("s") or (pin is not None and pin.strong)

    def withheld(self, member: int) -> bool:
        """Return whether nothing of the member may be read before its whole CRC agreed: an earlier pass gave it out,
        its copy is gone, and no validator tells whether what is pulled now is the same.
        """
        unsure = self._rebuilt and not self.strong(member) and not self.complete[member]
        return unsure and not self.offsets.traits[member] & (Trait.HELD | Trait.REPORT)

    def replaceable(self, member: int) -> bool:
        """Return whether bytes of the member that were lost can be pulled again, and be known to be the same."""
        if not self.released or self._rebuilt or self.strong(member):
            return True
        # Held whole before any of it is given out, and compared with the CRC that was given.
        return bool(self.layout.traits[member] & Trait.HELD) and self.layout.crcs[member] != UNKNOWN

    def missing_before(self, offset: int) -> int:
        """Return how many bytes must be pulled before the archive byte at `offset` is known, beyond that byte's own
        part.
        """
        offsets, extents = self.offsets, self.extents
        if extents.missing == 0 or (not offsets.complete and offset >= offsets.offset(offsets.placed)):
            return 0
        piece = offsets.piece_at(offset)
        if piece.kind is Kind.DIRECTORY:
            members = range(0 if offsets.is_in_end_records(offset) else self.layout.members)
        elif piece.kind is Kind.DESCRIPTOR:
            members = range(piece.member, piece.member + 1)
        else:
            return 0
        unknown = (member for member in members if offsets.crcs[member] == UNKNOWN)
        parts = (part for member in unknown for part in offsets.parts_of(member) if self.needed(part))
        return sum(max(extents.lengths[part], 0) - extents.filled[part] for part in parts)

    # -- CRCs --------------------------------------------------------------------------------------------

    def crc_of(self, member: int) -> int:
        """Return the CRC-32 of a member that is all there: by its parts, or as it is known already."""
        offsets, parts = self.offsets, self.offsets.parts_of(member)
        if not parts or offsets.traits[member] & Trait.DEFLATE or member in self._skipped:
            return max(offsets.crcs[member], 0)
        return self.extents.member_crc(parts)

    def check_crc(self, member: int, crc: int) -> None:
        """Raise where the member's CRC-32 is known to be another: OriginError where it was given with the entry, Stale
        where an earlier pass learned it.
        """
        expected = self.offsets.crcs[member]
        if expected in (UNKNOWN, crc):
            return
        if self.layout.crcs[member] == expected:
            raise OriginError("crc_mismatch", f"the file's CRC-32 is {crc:08x} where {expected:08x} was given")
        raise Stale(f"{self.layout.names[member]} is not the file that it was when the archive was first built")

    def check_sizes(self, member: int, size: int, stored: int) -> None:
        """Raise where the member's sizes are known to be others: OriginError for its own, Stale for its stored one."""
        offsets = self.offsets
        if offsets.sizes[member] not in (UNKNOWN, size):
            raise OriginError("size_mismatch", f"the file has {size} bytes where {offsets.sizes[member]} were expected")
        if offsets.stored[member] not in (UNKNOWN, stored):
            raise Stale(f"{self.layout.names[member]} no longer compresses to the bytes that it had")
