"""Copies that the store was not told of yet are compared with their own journals."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

import pytest

from streamzip.assembly.verifying import verify_copy
from streamzip.spans import Span
from streamzip.spool.file import Paths
from streamzip.spool.journal import Extent
from streamzip.spool.shelf import Shelf
from streamzip.zip.layout import HELD_LIMIT, Layout, Planned, freeze
from streamzip.zip.offsets import Offsets

NAME = "ab" + "0" * 30
BODY = bytes(range(256)) * (HELD_LIMIT // 256 + 1)
LAYOUT = freeze([Planned(0, "a.bin", None, len(BODY), None)], frozen_at=0, compressor="")


@contextmanager
def finished(folder: Path, layout: Layout = LAYOUT) -> Iterator[tuple[Paths, Offsets]]:
    """A finished copy of one stored member, sealed, before anything of it was noted in the store."""
    offsets, shelf = Offsets(LAYOUT), Shelf(folder / "spool", budget=1 << 30)
    offsets.crcs[0] = crc32(BODY)
    spool = shelf.open(NAME, size=offsets.length, layout=layout.digest())
    try:
        spool.write(0, offsets.header(0, 0) + BODY + offsets.descriptor(0, offsets.crcs[0]))
        spool.write(offsets.directory_start, offsets.directory(Span(offsets.directory_start, offsets.length)))
        end = offsets.directory_start + offsets.directory_offsets()[-1]
        spool.write(end, offsets.end_records())
        spool.add(Extent(0, 0, len(BODY), crc32(BODY)))
        spool.flush()
        spool.finish(mtime=0)
        yield spool.paths, offsets
    finally:
        spool.close()


def told(paths: Paths) -> str | None:
    """Return what is wrong with the copy, where the store knows nothing of it."""
    return verify_copy(paths, LAYOUT, None, lambda count: None)


def test_copy_is_whole_by_its_journal_when_the_store_was_not_told(tmp_path: Path) -> None:
    """The kill came between the rename and the note: its extents say what the member's CRC is."""
    with finished(tmp_path) as (paths, _):
        assert told(paths) is None


@pytest.mark.parametrize("where", ["header", "bytes", "descriptor"])
def test_copy_is_damaged_where_one_bit_is(tmp_path: Path, where: str) -> None:
    """Each piece of the member is compared, not its bytes alone."""
    with finished(tmp_path) as (paths, offsets):
        at = {"header": 0, "bytes": offsets.bytes_start(0), "descriptor": offsets.end(0) - 1}[where]
        whole = bytearray(paths.finished.read_bytes())
        whole[at] ^= 1
        paths.finished.write_bytes(whole)
        assert told(paths) == "member 0 (a.bin) is not what was pulled"


def test_copy_of_another_layout_is_proven_by_nothing(tmp_path: Path) -> None:
    """A journal that was made for another layout says nothing of this archive."""
    other = freeze([Planned(0, "b.bin", None, len(BODY), None)], frozen_at=0, compressor="")
    with finished(tmp_path, other) as (paths, _):
        assert told(paths) == "nothing proves what is in it"
