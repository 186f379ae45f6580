"""The journal: an append-only list of what of a spool is proven. Its length is its progress, so any process can follow
it.

Every record is framed (mark, length, CRC-32), and a reader that meets damage looks for the next mark whose record is
whole: a torn or flipped record costs what it said, never what follows. Records are appended after the bytes they speak
of, with one write, so that `kill -9` leaves a record whole or absent (O_APPEND; a full disk may cut one, which then
reads as damage).
"""

import errno
import os
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

_MARK: Final = b"\xa5\x5aJ1"
_FRAME: Final = struct.Struct("<4sHI")
_EXTENT: Final = struct.Struct("<cIQQI")
_DROP: Final = struct.Struct("<cIQ")
_ENDED: Final = struct.Struct("<cIBQQI")
_SEAL: Final = struct.Struct("<cQQQQ")
_HEAD: Final = struct.Struct("<c16s")
_PIN: Final = struct.Struct("<cIB")
_BEGUN: Final = struct.Struct("<cIB")
_ESCAPED: Final = re.compile(rb"(?:[ -\[\]-~]|\\(?:[\\tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}))*")


@dataclass(frozen=True, slots=True)
class Head:
    """The layout that the spool follows, by its digest (16 bytes)."""

    layout: bytes


class Extent(NamedTuple):
    """The bytes `[start, stop)` of a part, and their CRC-32."""

    part: int
    start: int
    stop: int
    crc: int


@dataclass(frozen=True, slots=True)
class Drop:
    """What lies beyond the part's first `keep` bytes is void."""

    part: int
    keep: int


@dataclass(frozen=True, slots=True)
class Pin:
    """The representation that a member's bytes are of; `value` is the origin's own spelling."""

    member: int
    strong: bool
    value: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A member of an open layout has begun to be written at the frontier, and so was decided of it. The last one
    counts; it may change as long as none of the member's bytes are listed.
    """

    member: int
    traits: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What a member of an open layout turned out to be."""

    member: int
    traits: int
    size: int
    stored: int
    crc: int


@dataclass(frozen=True, slots=True)
class Seal:
    """The archive file as it was when all of it had been proven: while it still is this file, it needs no proof."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> "Seal":
        """Return the seal of a file in this state."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@dataclass(frozen=True, slots=True)
class Boot:
    """The boot of the machine in which what follows was written: a power loss may have taken the last records before
    it.
    """

    boot: bytes  # 16


FileRecord = Head | Boot | Seal  # of the spool's file: read by the spool
ArchiveRecord = Extent | Drop | Pin | Begun | Ended  # of the archive in it: handed up, applied by its ledger
Record = FileRecord | ArchiveRecord


def encode(record: Record) -> bytes:
    """Return one record, framed."""
    match record:
        case Extent(part, start, stop, crc):
            payload = _EXTENT.pack(b"E", part, start, stop, crc)
        case Drop(part, keep):
            payload = _DROP.pack(b"D", part, keep)
        case Pin(member, strong, value):
            # In ASCII: what an origin chooses must not hold a mark, to be found where the record is torn.
            payload = _PIN.pack(b"P", member, strong) + value.encode("unicode_escape")
        case Begun(member, traits):
            payload = _BEGUN.pack(b"G", member, traits)
        case Ended(member, traits, size, stored, crc):
            payload = _ENDED.pack(b"S", member, traits, size, stored, crc)
        case Seal(size, mtime_ns, ctime_ns, inode):
            payload = _SEAL.pack(b"L", size, mtime_ns, ctime_ns, inode)
        case Head(layout):
            payload = _HEAD.pack(b"H", layout)
        case Boot(boot):
            payload = _HEAD.pack(b"B", boot)
    return _FRAME.pack(_MARK, len(payload), crc32(payload)) + payload


def _decode(payload: bytes) -> Record | None:
    match payload[:1]:
        case b"E":
            return Extent(*_EXTENT.unpack(payload)[1:])
        case b"D":
            return Drop(*_DROP.unpack(payload)[1:])
        case b"G":
            return Begun(*_BEGUN.unpack(payload)[1:])
        case b"S":
            return Ended(*_ENDED.unpack(payload)[1:])
        case b"L":
            return Seal(*_SEAL.unpack(payload)[1:])
        case b"H":
            return Head(_HEAD.unpack(payload)[1])
        case b"B":
            return Boot(_HEAD.unpack(payload)[1])
        case b"P":
            _, member, strong = _PIN.unpack_from(payload)
            return Pin(member, bool(strong), _unescape(payload[_PIN.size :]))
    return None


def _unescape(text: bytes) -> str:
    """Return what `encode` escaped. ValueError for what it never writes, some of which Python takes with a warning."""
    if not _ESCAPED.fullmatch(text):
        raise ValueError
    return text.decode("unicode_escape")


def decode(stored: bytes) -> tuple[list[Record], int, bool]:
    """Return the whole records in `stored`, how many bytes of it are used up, and whether damage was passed over."""
    records: list[Record] = []
    position, damaged = 0, False
    while True:
        found = stored.find(_MARK, position)
        if found < 0:
            # Three bytes may be the beginning of a mark that is still being written.
            return records, max(position, len(stored) - 3), damaged or len(stored) - position > 3
        damaged = damaged or found > position
        if len(stored) - found < _FRAME.size:
            return records, found, damaged
        _, length, check = _FRAME.unpack_from(stored, found)
        payload = stored[found + _FRAME.size : found + _FRAME.size + length]
        if len(payload) == length and crc32(payload) == check:
            try:
                record = _decode(payload)
            except (struct.error, ValueError):  # whole, and of another release
                record, damaged = None, True
            if record is not None:
                records.append(record)
            position = found + _FRAME.size + length
        elif len(payload) < length and not decode(stored[found + 1 :])[0]:
            return records, found, damaged  # the last record, not whole yet; a digest in it may look like a mark
        else:
            damaged, position = True, found + 1


@dataclass(slots=True)
class FileState:
    """What the journal says of the spool's file: the layout it follows, the boot it was last written in, its seal."""

    layout: bytes | None = None
    boot: bytes = b""
    seal: Seal | None = None

    def apply(self, records: Iterable[Record]) -> list[ArchiveRecord]:
        """Apply the records that are of the file; return the others, in order."""
        others: list[ArchiveRecord] = []
        for record in records:
            match record:
                case Seal():
                    self.seal = record
                case Head(layout):
                    self.layout = layout
                case Boot(boot):
                    self.boot = boot
                case _:
                    others.append(record)
        return others


class Journal:
    """One archive's journal file, followed and appended to."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._read = 0
        self._pending: list[bytes] = []
        self.damaged = False

    def add(self, record: Record) -> None:
        """Note a record; `flush` writes it."""
        self._pending.append(encode(record))

    def flush(self) -> None:
        """Append what was added, in one write. OSError where the disk is full; what was added is then kept for the next
        flush.
        """
        if not self._pending:
            return
        block = b"".join(self._pending)
        written = os.write(self._fd, block)
        if written < len(block):
            raise OSError(errno.ENOSPC, "the journal could not be written whole")
        self._pending.clear()
        # O_APPEND leaves the file position behind what was written: where nobody wrote in between, it need not be read
        # again.
        if os.lseek(self._fd, 0, os.SEEK_CUR) - written == self._read:
            self._read += written

    def follow(self) -> Sequence[Record]:
        """Return the records that were appended since the last call, by any process, this one too."""
        found: list[Record] = []
        while block := os.pread(self._fd, 1 << 20, self._read):
            records, used, damaged = decode(block)
            self.damaged = self.damaged or damaged
            self._read += used
            found += records
            if used == 0 or len(block) < 1 << 20:
                break
        return found

    def sync(self) -> None:
        """Make what was flushed durable."""
        os.fdatasync(self._fd)

    def truncate(self) -> None:
        """Begin anew; only under the lock that keeps every other process away."""
        os.ftruncate(self._fd, 0)
        self._read = 0
        self._pending.clear()

    def abandon(self) -> None:
        """Close without writing what was added."""
        os.close(self._fd)

    def close(self) -> None:
        """Flush what the disk takes, and close."""
        try:
            self.flush()
        finally:
            os.close(self._fd)
