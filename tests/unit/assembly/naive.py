"""The ledger once more, written to be read: it keeps every record, and works out anew what follows from them."""

from dataclasses import dataclass, field
from zlib import crc32

from streamzip.spool.journal import ArchiveRecord, Begun, Drop, Ended, Extent, Pin
from streamzip.zip.layout import UNKNOWN, Layout, Trait

CONTENT = bytes(range(251)) * 5000  # of every member: the first bytes of this


def an_extent(part: int, start: int, stop: int) -> Extent:
    """The extent of CONTENT's bytes."""
    return Extent(part, start, stop, crc32(CONTENT[start:stop]))


@dataclass
class NaiveLedger:
    """Members of one part each, so that a member and its part have the same number."""

    layout: Layout
    extents: dict[int, list[Extent]] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)  # bytes that this process wrote beyond what is listed
    proven: dict[int, int] = field(default_factory=dict)
    pins: dict[int, Pin] = field(default_factory=dict)
    begun: dict[int, Begun] = field(default_factory=dict)
    ended: dict[int, Ended] = field(default_factory=dict)

    def apply(self, record: ArchiveRecord, *, trusted: bool) -> None:
        """A record of the journal: each kind has its sentence."""
        match record:
            case Extent(part, start, stop):
                if part < self.layout.members and start == self.listed(part) < stop <= self.longest(part):
                    # Trusted bytes are proven, unless what lies before them is not.
                    if trusted and self.readable(part) >= start:
                        self.proven[part] = max(self.readable(part), stop)
                    self.written[part] = max(0, self.filled(part) - stop)
                    self.extents.setdefault(part, []).append(record)
            case Drop(part, keep):
                known = part < self.layout.members and keep < self.listed(part)
                if known and not (trusted and keep < self.readable(part)):  # what was proven here stays
                    self.extents[part] = [each for each in self.extents[part] if each.stop <= keep]
                    self.written[part] = 0
                    self.proven[part] = min(self.readable(part), self.listed(part))
            case Pin(member) if member < self.layout.members:
                self.pins[member] = record  # the last one counts
            case Begun(member) if self.is_open(member):
                self.begun[member] = record  # the last one counts
            case Ended(member) if self.is_open(member):
                self.ended.setdefault(member, record)  # the first one counts

    def landed(self, part: int, length: int) -> None:
        """Written here, not listed."""
        self.written[part] = self.written.get(part, 0) + length
        self.proven[part] = self.filled(part)

    def proved(self, part: int, upto: int | None) -> None:
        """Read back."""
        self.proven[part] = self.listed(part) if upto is None else min(upto, self.readable(part))

    def is_open(self, member: int) -> bool:
        return member < self.layout.members and bool(self.layout.traits[member] & Trait.OPEN)

    def length(self, part: int) -> int | None:
        """The part's bytes in the archive; None where they are not known."""
        if self.is_open(part):
            return self.ended[part].stored if part in self.ended else None
        return self.layout.sizes[part]

    def longest(self, part: int) -> int:
        length = self.length(part)
        return 1 << 62 if length is None else length

    def listed(self, part: int) -> int:
        """How far the journal's extents reach: each begins where the one before it ends."""
        extents = self.extents.get(part, [])
        return extents[-1].stop if extents else 0

    def filled(self, part: int) -> int:
        return self.listed(part) + self.written.get(part, 0)

    def readable(self, part: int) -> int:
        return self.proven.get(part, 0)

    def done(self, member: int) -> bool:
        return self.listed(member) == self.length(member)

    def placed(self) -> int:
        """How many members' ends are known: each needs that of the one before it."""
        lengths = [self.length(member) for member in range(self.layout.members)]
        return lengths.index(None) if None in lengths else len(lengths)

    def crc(self, member: int) -> int:
        """The member's CRC, where a record or the layout tells it."""
        if member in self.ended:
            return self.ended[member].crc
        return UNKNOWN if self.is_open(member) else self.layout.crcs[member]
