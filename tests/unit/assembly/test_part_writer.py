"""A part's way into the spool, through the little of an archive that a pull may touch."""

import errno
from concurrent.futures import ThreadPoolExecutor
from typing import cast
from zlib import crc32

import pytest

from streamzip.assembly.kept import KeptBodies
from streamzip.assembly.ledger import Ledger
from streamzip.assembly.part_writer import PartWriter
from streamzip.assembly.pulling import Pulling
from streamzip.assembly.signals import Signals
from streamzip.clock import SystemClock
from streamzip.errors import OriginError
from streamzip.manifest.model import Entry
from streamzip.origins.lanes import Lanes
from streamzip.origins.pull import Tries
from streamzip.origins.registry import Registry
from streamzip.spans import Data
from streamzip.spool.fake import FakeSpool
from streamzip.spool.journal import ArchiveRecord, Begun, Ended, Extent
from streamzip.zip.layout import UNKNOWN, Planned, Trait, freeze
from streamzip.zip.offsets import Offsets

BODY = b"a line that comes again\n" * 400


class Spool(FakeSpool):
    """A spool whose disk may be full; it notes what happens, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.happened: list[str] = []

    def write(self, offset: int, data: Data) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "full")
        self.happened.append("written")
        super().write(offset, data)


class Intake:
    """An archive, as a pull sees it."""

    def __init__(self, *rows: Planned) -> None:
        self.ledger = Ledger(Offsets(freeze(rows, frozen_at=0, compressor="")))
        self.spool = Spool()
        self.signals = Signals()

    async def placed(self, member: int) -> None:
        assert self.ledger.offsets.placed >= member

    async def prove(self, part: int) -> None:
        """Nothing was left here."""

    def append(self, record: ArchiveRecord) -> None:
        self.spool.happened.append(type(record).__name__)
        self.ledger.apply(record, trusted=True)

    def flush(self) -> None:
        self.spool.happened.append("flushed")

    def begin(self, begun: Begun) -> None:
        self.ledger.began(begun)

    def complete(self, member: int) -> bool:
        return False


async def write(intake: Intake, part: int) -> None:
    """Have the part written whose bytes the probe has kept."""
    with ThreadPoolExecutor(1) as pool:
        pulling = Pulling(registry=cast(Registry, None), lanes=Lanes(1), clock=SystemClock(), pool=pool)
        found, entry = intake.ledger.offsets.part(part), Entry(url="https://a.example/a", name="a")
        bodies = KeptBodies(pulling.kept)
        bodies.put(found.member, BODY)
        await PartWriter(intake, pulling, bodies, found, entry, Tries(1)).write()


def a_row(validator: str = 's"v1"', *, size: int | None = len(BODY), deflate: bool = False) -> Planned:
    return Planned(0, "a.txt", None, size, None, deflate=deflate, validator=validator)


async def test_held_member_is_written_then_listed_and_complete() -> None:
    """Its header has its CRC; a record never comes before the bytes that it speaks of."""
    intake = Intake(a_row())
    await write(intake, 0)
    assert intake.spool.happened == ["written", "Extent"]
    ledger = intake.ledger
    assert (ledger.complete[0], ledger.offsets.crcs[0], ledger.all_there) == (1, crc32(BODY), True)
    assert bytes(intake.spool.content) == ledger.offsets.header(0, crc32(BODY)) + BODY


@pytest.mark.parametrize("deflate", [False, True])
async def test_open_member_that_is_small_has_ended_when_it_is_listed(deflate: bool) -> None:
    """Its length is told after its bytes are, whether it was compressed or only unsized."""
    intake = Intake(a_row(size=len(BODY) if deflate else None, deflate=deflate), a_row())
    await write(intake, 0)
    assert intake.spool.happened == ["written", "Extent", "Ended"]
    ledger = intake.ledger
    assert (ledger.complete[0], ledger.offsets.placed, ledger.offsets.sizes[0]) == (1, 2, len(BODY))
    assert bool(ledger.offsets.traits[0] & Trait.DEFLATE) is deflate


@pytest.mark.parametrize("row", [a_row(), a_row(size=None), a_row(deflate=True)])
async def test_what_the_disk_does_not_take_is_not_said_to_be_there(row: Planned) -> None:
    """Neither its place nor its CRC: who pulls it next may find another file, of which nothing was given out."""
    intake = Intake(row, a_row())
    intake.spool.full = True
    placed = intake.ledger.offsets.placed
    with pytest.raises(OSError, match="full"):
        await write(intake, 0)
    ledger = intake.ledger
    assert (ledger.offsets.placed, ledger.offsets.crcs[0], ledger.complete[0]) == (placed, UNKNOWN, 0)
    assert (ledger.extents.present, intake.spool.happened) == (0, [])


async def test_member_without_a_strong_validator_is_journalled_before_anybody_has_it() -> None:
    """Only the copy can tell later what it was."""
    intake = Intake(a_row("wMon, 01 Jun 2026 10:00:00 GMT"))
    await write(intake, 0)
    assert intake.spool.happened == ["written", "Extent", "flushed"]


async def test_member_with_another_crc_than_was_given_is_not_written() -> None:
    """The origin's fault, found before a byte of it is in its place."""
    intake = Intake(a_row()._replace(crc32=7))
    with pytest.raises(OriginError, match="CRC-32"):
        await write(intake, 0)
    assert intake.spool.happened == []


async def test_open_member_that_is_made_again_must_begin_with_what_is_listed() -> None:
    """It was given out, perhaps; its beginning is left as it is."""
    intake = Intake(a_row(size=None))
    intake.ledger.apply(Extent(0, 0, 100, crc32(BODY[:100])), trusted=True)
    await write(intake, 0)
    assert intake.ledger.extents.committed[0] == len(BODY)
    other = Intake(a_row(size=None))
    other.ledger.apply(Extent(0, 0, 100, 7), trusted=True)
    with pytest.raises(OriginError, match="not the one of which there are bytes"):
        await write(other, 0)
    assert not [each for each in other.spool.happened if each in ("written", Ended.__name__)]
