"""The layout: which members, in which order, by which rules. Frozen once, stored, signed; one hash has one layout for
ever.

Pure. Kept in columns, not in an object a member: 100,000 members take some 10 MB. Where each member lies, as far as
that is known, is in offsets.py; an exact layout (every stored size known) places all of them at once.
"""

import hashlib
import json
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from itertools import chain
from typing import Any, Final, Literal, NamedTuple

from isal import isal_zlib

from streamzip.errors import Damaged
from streamzip.zip.records import ZIP64_LIMIT, Method

Format = Literal["zip", "tar"]

# Of a stored layout: a release that knows no other container must not read one as zip.
VERSIONS: Final[Mapping[Format, int]] = {"zip": 1, "tar": 2}

# A member up to this size is held whole before its header is written, so that the header has its CRC and size and
# streaming readers (Java's ZipInputStream) accept it; 32 of them in flight are 32 MiB.
HELD_LIMIT: Final = 1 << 20

# A large member is pulled in spans of this size where its origin has ranges and a strong validator: several connections
# at once, and after a crash at most this much of each is proven again.
PART_SIZE: Final = 8 << 20

UNKNOWN: Final = -1


class Trait(IntFlag):
    """What is decided of one member; eight bits, so that a column of them is a bytearray."""

    NONE = 0
    DEFLATE = 1  # compressed: its stored size is known only once written
    DESCRIPTOR = 2  # CRC and sizes follow the bytes instead of standing in the header
    ZIP64 = 4  # local header and descriptor have 8-byte sizes
    SPLIT = 8  # may be pulled in several parts
    HELD = 16  # pulled whole before its header is written
    OPEN = 32  # where it ends is not known before it is written
    REPORT = 64  # not pulled: the report of the entries left out
    RANGED = 128  # the origin answers ranges: a broken pull may go on where it ended

    # A test of a column's byte: IntFlag's own makes a Trait of the answer, and takes 0.7 µs for it instead of 0.1.
    __and__ = int.__and__  # type: ignore[assignment]
    __rand__ = int.__rand__  # type: ignore[assignment]


class Planned(NamedTuple):
    """One member as the plan hands it to `freeze`: a row of the layout before its traits are decided."""

    entry: int
    name: str
    mtime: int | None
    size: int | None
    crc32: int | None
    deflate: bool = False
    ranged: bool = False
    validator: str = ""  # as `Layout.validators` has it


@dataclass(frozen=True, slots=True)
class Layout:
    """The members and the rules by which they lie. `frozen_at`: whole seconds since the epoch; becomes Last-Modified
    and ETag.
    """

    frozen_at: int
    compressor: str  # the digest of the compressor's output on a fixed sample; "" where nothing is compressed
    entries: "array[int]"  # manifest entry of each member
    names: Sequence[str]
    mtimes: "array[int]"  # UNKNOWN: no time known
    sizes: "array[int]"  # UNKNOWN: not known before it is pulled
    crcs: "array[int]"  # UNKNOWN: not known before it is pulled
    traits: bytes
    validators: Sequence[str]  # "s" and a strong ETag, "w" and a Last-Modified, or ""
    report: bytes = b""  # the bytes of the report member, the last one, where there is one
    rounds: int = 0  # times that another layout was frozen, of which no byte was given out
    container: Format = "zip"
    first_parts: "array[int]" = field(init=False, compare=False)

    def __post_init__(self) -> None:
        firsts, total = array("q", [0]), 0
        for size, traits in zip(self.sizes, self.traits, strict=True):
            total += _part_count(size, traits)
            firsts.append(total)
        object.__setattr__(self, "first_parts", firsts)

    @property
    def members(self) -> int:
        """Return how many members there are."""
        return len(self.names)

    @property
    def parts(self) -> int:
        """Return how many pulls the whole archive takes, where none is broken."""
        return self.first_parts[-1]

    @property
    def exact(self) -> bool:
        """Return whether every byte's place is known before the first one is pulled."""
        return not any(traits & Trait.OPEN for traits in set(self.traits))

    @property
    def provable(self) -> bool:
        """Return whether every member has a strong validator: what was given out can be pulled again, and known to be
        the same.
        """
        rows = zip(self.validators, self.traits, self.sizes, strict=True)
        return all(validator.startswith("s") or traits & Trait.REPORT or size == 0 for validator, traits, size in rows)

    def mtime(self, member: int) -> int | None:
        """Return seconds since the epoch, or None."""
        mtime = self.mtimes[member]
        return None if mtime == UNKNOWN else mtime

    def digest(self) -> bytes:
        """16 bytes that name this layout, for the journal of its spool; not of its deflated form, which zlib may
        change.
        """
        return hashlib.sha256(self._columns()).digest()[:16]

    def encode(self) -> bytes:
        """Return the layout as it is stored: a JSON head, then the columns, deflated."""
        return isal_zlib.compress(self._columns(), 1)

    def _columns(self) -> bytes:
        numbers = [column.tobytes() for column in (self.entries, self.mtimes, self.sizes, self.crcs)]
        texts = ["\0".join(column).encode() for column in (self.names, self.validators)]
        columns = [*numbers, *texts, self.traits, self.report]
        head: dict[str, Any] = {"version": VERSIONS[self.container], "frozen_at": self.frozen_at}
        head |= {"compressor": self.compressor, "members": self.members}
        head["columns"] = [len(column) for column in columns]
        if self.rounds:
            head["rounds"] = self.rounds
        return b"\n".join([json.dumps(head).encode(), b"".join(columns)])

    @classmethod
    def decode(cls, stored: bytes) -> "Layout":
        """Return the layout that `encode` gave; Damaged where it is none of ours."""
        try:
            head_line, _, body = zlib.decompress(stored).partition(b"\n")
            head = json.loads(head_line)
            container = next((each for each, version in VERSIONS.items() if version == head["version"]), None)
            if container is None:
                raise Damaged(f"a stored layout has version {head['version']}, which this release does not read")
            entries, mtimes, sizes, crcs, names, validators, traits, report = _cutter(body, head["columns"])
            return cls(
                frozen_at=head["frozen_at"],
                compressor=head["compressor"],
                entries=array("q", entries),
                names=names.decode().split("\0") if head["members"] else [],
                mtimes=array("q", mtimes),
                sizes=array("q", sizes),
                crcs=array("q", crcs),
                traits=traits,
                validators=validators.decode().split("\0") if head["members"] else [],
                report=report,
                rounds=head.get("rounds", 0),
                container=container,
            )
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise Damaged("a stored layout cannot be read") from error


def _cutter(body: bytes, lengths: Sequence[int]) -> Iterator[bytes]:
    start = 0
    for length in lengths:
        yield body[start : start + length]
        start += length


def _part_count(size: int, traits: int) -> int:
    if traits & Trait.REPORT or (size == 0 and not traits & Trait.OPEN):
        return 0
    if traits & Trait.SPLIT:
        return -(-size // PART_SIZE)
    return 1


def decide(member: Planned) -> Trait:
    """Return the traits of one member: pure, so that the same plan gives the same archive."""
    traits = Trait.RANGED if member.ranged else Trait.NONE
    if member.size is None or member.deflate:
        traits |= Trait.OPEN | (Trait.DEFLATE if member.deflate else Trait.NONE)
        if member.size is not None and member.size <= HELD_LIMIT:
            return traits | Trait.HELD
        # Deflated data may be longer than its input: 5 bytes in 65,535 at worst, so a sixty-fourth is room enough.
        if member.size is None or member.size + member.size // 64 > ZIP64_LIMIT:
            traits |= Trait.ZIP64
        return traits | Trait.DESCRIPTOR
    if member.size > ZIP64_LIMIT:
        traits |= Trait.ZIP64
    if member.size <= HELD_LIMIT:
        return traits | Trait.HELD
    if member.crc32 is None:
        traits |= Trait.DESCRIPTOR
    if member.ranged and member.validator.startswith("s") and member.size > PART_SIZE:
        traits |= Trait.SPLIT
    return traits


def freeze(
    members: Iterable[Planned],
    *,
    frozen_at: int,
    compressor: str,
    report: tuple[str, bytes] | None = None,
    rounds: int = 0,
    container: Format = "zip",
) -> Layout:
    """Return the layout of these members, in their order; `report` (name, bytes) becomes the last one."""
    entries, mtimes, sizes, crcs = array("q"), array("q"), array("q"), array("q")
    names: list[str] = []
    validators: list[str] = []
    traits = bytearray()
    rows = members if report is None else chain(members, [_report_row(*report, frozen_at)])
    deflates = False
    for row in rows:  # one after the other: a million rows at once would be 200 MB
        entries.append(row.entry)
        names.append(row.name)
        mtimes.append(UNKNOWN if row.mtime is None else row.mtime)
        sizes.append(UNKNOWN if row.size is None else row.size)
        crcs.append(_known_crc(row))
        validators.append(row.validator)
        traits.append(decide(row) if row.entry != UNKNOWN else Trait.REPORT)
        deflates = deflates or row.deflate
    return Layout(
        frozen_at=frozen_at,
        compressor=compressor if deflates else "",
        entries=entries,
        names=names,
        mtimes=mtimes,
        sizes=sizes,
        crcs=crcs,
        traits=bytes(traits),
        validators=validators,
        report=report[1] if report is not None else b"",
        rounds=rounds,
        container=container,
    )


def _report_row(name: str, body: bytes, frozen_at: int) -> Planned:
    return Planned(UNKNOWN, name, frozen_at, len(body), zlib.crc32(body))


def _known_crc(row: Planned) -> int:
    if row.size == 0 and not row.deflate:
        return 0  # of no bytes
    return UNKNOWN if row.crc32 is None else row.crc32


def method_of(traits: int) -> Method:
    """Return the compression method that the traits name."""
    return Method.DEFLATED if traits & Trait.DEFLATE else Method.STORED
