"""An archive of three parts in a copy on disk, and what is done to it."""

import random
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from streamzip.spool.extents import Extent
from streamzip.spool.file import FileSpool
from streamzip.spool.journal import Drop
from streamzip.spool.shelf import Shelf

CONTENT = random.Random(1).randbytes(300_000)
# Three parts and, between them, records: part k is CONTENT[PARTS[k]].
PARTS = [(30, 100_030), (100_070, 200_070), (200_110, 299_000)]
LENGTHS = array("q", (stop - start for start, stop in PARTS))
LAYOUT, OTHER = b"L" * 16, b"M" * 16
NAME = "ab" + "0" * 30
MTIME = 1777629600


@contextmanager
def opened(shelf: Shelf, **fields: Any) -> Iterator[FileSpool]:
    """The spool as a gateway opens it, and lets go of it in the end."""
    facts: dict[str, Any] = {"lengths": array("q", LENGTHS), "size": len(CONTENT), "layout": LAYOUT}
    spool = shelf.open(NAME, **(facts | fields))
    try:
        yield spool
    finally:
        spool.close()


def pull(spool: FileSpool, part: int, start: int = 0, stop: int | None = None) -> None:
    """Write the part's bytes `[start, stop)`, then list them."""
    at, end = PARTS[part]
    stop = end - at if stop is None else stop
    block = CONTENT[at + start : at + stop]
    spool.write(at + start, block)
    spool.extents.grow(part, len(block))
    spool.commit(Extent(part, start, stop, crc32(block)))
    spool.flush()


def fill(spool: FileSpool) -> None:
    """All of the archive: the records between the parts are written, and not listed."""
    spool.write(0, CONTENT)
    for part in range(len(PARTS)):
        pull(spool, part)


def prove(spool: FileSpool) -> list[Drop]:
    """Check every part as a reader does before it uses it; what was dropped."""
    dropped = []
    for part, (at, _) in enumerate(PARTS):
        while (drop := spool.prove(part, at)) is not None:
            spool.drop(drop)
            dropped.append(drop)
        spool.extents.proven[part] = spool.extents.committed[part]
    spool.flush()
    return dropped


def committed(spool: FileSpool) -> list[int]:
    return list(spool.extents.committed)


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))
