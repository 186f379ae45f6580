"""An archive of three parts in a copy on disk, and what is done to it."""

import random
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from streamzip.assembly.extents import Extents
from streamzip.assembly.ledger import Ledger
from streamzip.spool.journal import ArchiveRecord, Drop, Extent
from streamzip.spool.port import Spool
from streamzip.spool.shelf import Shelf
from streamzip.zip.layout import Layout, Planned, freeze
from streamzip.zip.offsets import Offsets

CONTENT = random.Random(1).randbytes(300_000)
# Three parts and, between them, records: part k is CONTENT[PARTS[k]].
PARTS = [(30, 100_030), (100_070, 200_070), (200_110, 299_000)]
LENGTHS = array("q", (stop - start for start, stop in PARTS))
LAYOUT, OTHER = b"L" * 16, b"M" * 16
NAME = "ab" + "0" * 30
MTIME = 1777629600


def a_layout(lengths: Iterable[int]) -> Layout:
    """A member for each part, its name as long as it takes to have the part at its place; -1: of unknown length."""
    rows = enumerate(lengths)
    plan = [Planned(at, "n" * (10 if at else 0), None, None if size < 0 else size, None) for at, size in rows]
    return freeze(plan, frozen_at=MTIME, compressor="")


class Kept:
    """A copy as whoever fills it in holds it: the spool, and a ledger of what its journal says."""

    def __init__(self, spool: Spool, lengths: Iterable[int], ledger: Ledger | None = None) -> None:
        self.spool = spool
        self.ledger = Ledger(Offsets(a_layout(lengths))) if ledger is None else ledger
        self.left = list(spool.replay())
        for record in self.left:
            self.ledger.apply(record, trusted=False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.spool, name)

    @property
    def extents(self) -> Extents:
        return self.ledger.extents

    def append(self, record: ArchiveRecord) -> None:
        """As the archive does: applied, and journalled."""
        self.ledger.apply(record, trusted=True)
        self.spool.add(record)

    def follow(self) -> list[ArchiveRecord]:
        """Apply what others journalled; what is no extent."""
        records = list(self.spool.follow())
        for record in records:
            self.ledger.apply(record, trusted=True)
        return [record for record in records if not isinstance(record, Extent)]

    def drop(self, drop: Drop) -> None:
        """As the archive does when it finds damage."""
        self.ledger.proved(drop.part, drop.keep)
        self.spool.unseal()
        self.append(drop)


@contextmanager
def opened(shelf: Shelf, *, lengths: Iterable[int] = LENGTHS, **fields: Any) -> Iterator[Kept]:
    """The spool as a gateway opens it, and lets go of it in the end."""
    facts: dict[str, Any] = {"size": len(CONTENT), "layout": LAYOUT}
    spool = shelf.open(NAME, **(facts | fields))
    try:
        yield Kept(spool, lengths)
    finally:
        spool.close()


def pull(kept: Kept, part: int, start: int = 0, stop: int | None = None) -> None:
    """Write the part's bytes `[start, stop)`, then list them."""
    at, end = PARTS[part]
    stop = end - at if stop is None else stop
    block = CONTENT[at + start : at + stop]
    kept.spool.write(at + start, block)
    kept.ledger.landed(part, len(block))
    kept.append(Extent(part, start, stop, crc32(block)))
    kept.spool.flush()


def fill(kept: Kept) -> None:
    """All of the archive: the records between the parts are written, and not listed."""
    kept.spool.write(0, CONTENT)
    for part in range(len(PARTS)):
        pull(kept, part)


def wrong(kept: Kept, part: int) -> Drop | None:
    """What is to be dropped of the part, by its CRCs."""
    extent = kept.spool.disagrees(list(kept.extents.unproven(part)), PARTS[part][0])
    return None if extent is None else Drop(part, extent.start)


def prove(kept: Kept) -> list[Drop]:
    """Check every part as a reader does before it uses it; what was dropped."""
    dropped = []
    for part in range(len(PARTS)):
        while (drop := wrong(kept, part)) is not None:
            dropped.append(drop)
            kept.drop(drop)
        kept.ledger.proved(part)
    kept.spool.flush()
    return dropped


def committed(kept: Kept) -> list[int]:
    return list(kept.extents.committed)


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))
