"""records.py and places.py held, byte for byte, to what zipstream-ng itself writes of the same members.

Stock writes each member with a data descriptor and takes its date from the file, so it is given real (sparse) files of
a fixed time. Files of gigabytes weigh nothing: stock reads an object that has only a length, and its CRC is a constant.
"""

import os
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from struct import pack, unpack_from
from types import SimpleNamespace
from typing import Any

import pytest
from zipstream import ng

from streamzip.spans import Span
from streamzip.zip import records
from streamzip.zip.layout import Planned, Trait, freeze
from streamzip.zip.offsets import Offsets
from streamzip.zip.records import ZIP64_LIMIT, Method

DOS_EPOCH = 315532800  # 1980-01-01T00:00:00Z: what stands in the DOS fields of a member without a time
LATER = 1777629600  # 2026-05-01T10:00:00Z
CRC = 0x0A1B2C3D
GIB = 1 << 30
EDGES = [2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1]


class Weightless:
    """So many bytes that nobody looks at."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length


@dataclass(frozen=True)
class Member:
    """A folder where the name ends with a slash."""

    name: str
    size: int = 0

    @property
    def folder(self) -> bool:
        return self.name.endswith("/")

    @property
    def zip64(self) -> bool:
        """As stock decides it: 5 % before the limit, since compressed data may be longer than its input."""
        return bool(self.size * ng.ZIP64_ESTIMATE_FACTOR > ZIP64_LIMIT)


Run = bytes | int  # records, or so many of a member's own bytes
Written = tuple[list[Run], bytes]
Stock = Callable[[list[Member], int], Written]


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stock's DOS times are local ones."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def stock(tmp_path: Path, utc: None, monkeypatch: pytest.MonkeyPatch) -> Stock:
    """What stock writes of files with these names and sizes, all of one time: the members' part and the directory's."""

    def weightless(path: str) -> Iterator[Weightless]:
        yield Weightless(os.stat(path).st_size)

    monkeypatch.setattr(ng, "_iter_file", weightless)
    monkeypatch.setattr(ng, "crc32", lambda _block, _crc: CRC)

    def write(members: list[Member], mtime: int) -> Written:
        stream = ng.ZipStream()
        for number, member in enumerate(members):
            path = tmp_path / str(number)
            if member.folder:
                path.mkdir(mode=0o755)
            else:
                path.touch()
                os.truncate(path, member.size)
                path.chmod(0o644)
            os.utime(path, (mtime, mtime))
            stream.add_path(path, member.name, recurse=False)
        runs = _runs(stream.all_files())
        return runs, b"".join(stream.footer())

    return write


def _runs(chunks: Iterable[Any]) -> list[Run]:
    """Neighbouring records as one run, and the members' bytes as lengths."""
    runs: list[Run] = []
    filled = (chunk for chunk in chunks if len(chunk))
    for weightless, group in groupby(filled, lambda chunk: isinstance(chunk, Weightless)):
        if weightless:
            runs += map(len, group)
        else:
            runs.append(b"".join(group))
    return runs


def ours(members: list[Member]) -> Written:
    """The same members through the record functions, without a time."""
    chunks: list[bytes | Weightless] = []
    directory, position = b"", 0
    for member in members:
        crc = 0 if member.folder else CRC
        fixed: dict[str, Any] = {
            "name": member.name,
            "mtime": None,
            "method": Method.STORED,
            "descriptor": not member.folder,
            "zip64": member.zip64,
        }
        sizes: dict[str, Any] = {"crc": crc, "size": member.size, "stored": member.size}
        directory += records.directory_record(**fixed, **sizes, offset=position)
        written: list[bytes | Weightless] = [records.local_header(**fixed, **sizes)]
        if not member.folder:
            written += [Weightless(member.size), records.data_descriptor(**sizes, zip64=member.zip64)]
        chunks += written
        position += sum(map(len, written))
    end = records.end_records(entries=len(members), directory_start=position, directory_length=len(directory))
    return _runs(chunks), directory + end


NAMES = ["a.txt", "folder/b c.txt", "größe.bin", "日本語/ファイル.dat", "🎉.png", "n" * 1000]


def test_records_are_stocks_for_stored_members_of_any_name(stock: Stock) -> None:
    """Headers, descriptors, directory and end of stored members are those of zipstream-ng, unicode names among them."""
    members = [Member(name, size) for size, name in enumerate(NAMES)]
    assert ours(members) == stock(members, DOS_EPOCH)


def test_records_are_stocks_for_folders(stock: Stock) -> None:
    """A folder is a header without bytes or descriptor, and a directory record with the folder's mode."""
    members = [Member("empty/"), Member("ordner/größe/"), Member("after.txt", 3)]
    assert ours(members) == stock(members, DOS_EPOCH)


@pytest.mark.parametrize("size", EDGES)
def test_records_are_stocks_for_members_at_the_zip64_edges(stock: Stock, size: int) -> None:
    """A member of either side of 2^31 and 2^32 bytes has stock's header, descriptor and directory record."""
    members = [Member("before.bin", 7), Member("large.bin", size), Member("after.bin", 7)]
    assert ours(members) == stock(members, DOS_EPOCH)


def test_records_are_stocks_past_every_offset_limit(stock: Stock) -> None:
    """Small members, large ones and folders that begin past 2 GiB and past 4 GiB are placed as stock places them."""
    members = [
        Member("1", GIB),
        Member("2", GIB + 1),
        Member("3", 5),
        Member("4", 5 * GIB),
        Member("5/"),
        Member("6", 2**32),
    ]
    assert ours(members) == stock(members, DOS_EPOCH)


def test_records_are_stocks_for_an_empty_archive(stock: Stock) -> None:
    """An archive of no members is the end record alone."""
    assert ours([]) == stock([], DOS_EPOCH)


def test_records_are_stocks_for_a_member_of_unknown_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small member whose size was not known has a ZIP64 header; its directory record too says 4.5 is needed."""
    monkeypatch.setattr(ng, "time", SimpleNamespace(localtime=lambda _seconds=None: time.gmtime(DOS_EPOCH)))
    monkeypatch.setattr(ng, "crc32", lambda _block, _crc: CRC)
    stream = ng.ZipStream()
    stream.add(iter([b"three"]), "unsized.bin")
    written = b"".join(stream.all_files())
    stream._filelist[0].external_attr = 0o100644 << 16  # stock's choice for streamed data has no file type
    fixed: dict[str, Any] = {
        "name": "unsized.bin",
        "mtime": None,
        "method": Method.STORED,
        "descriptor": True,
        "zip64": True,
    }
    sizes: dict[str, Any] = {"crc": CRC, "size": 5, "stored": 5}
    header, descriptor = records.local_header(**fixed, **sizes), records.data_descriptor(**sizes, zip64=True)
    assert header + b"three" + descriptor == written
    directory = records.directory_record(**fixed, **sizes, offset=0)
    end = records.end_records(entries=1, directory_start=len(written), directory_length=len(directory))
    assert directory + end == b"".join(stream.footer())


def test_records_are_stocks_with_crc_and_size_in_the_header(utc: None) -> None:
    """A held member's header, with its CRC and sizes, is what stock's renderer gives for the same facts."""
    info = ng.ZipStreamInfo("held.bin", (1980, 1, 1, 0, 0, 0))
    info.CRC, info.file_size, info.compress_size, info.compress_type = CRC, 5000, 400, 8
    info.external_attr, info.header_offset = 0o100644 << 16, 12345
    fixed: dict[str, Any] = {
        "name": "held.bin",
        "mtime": None,
        "method": Method.DEFLATED,
        "descriptor": False,
        "zip64": False,
    }
    sizes: dict[str, Any] = {"crc": CRC, "size": 5000, "stored": 400}
    assert records.local_header(**fixed, **sizes) == info.FileHeader(False)
    assert records.directory_record(**fixed, **sizes, offset=12345) == info._central_directory_header_data()


def _with_time(header: bytes, mtime: int) -> bytes:
    """Stock's local header with the extended timestamp put in front of its extra fields (APPNOTE 4.3.7)."""
    name_length, extra_length = unpack_from("<HH", header, 26)
    extra_at = 30 + name_length
    return header[:28] + pack("<H", extra_length + 9) + header[30:extra_at] + _timestamp(mtime) + header[extra_at:]


def _directory_with_time(record: bytes, mtime: int) -> bytes:
    """Stock's directory record with the extended timestamp behind its ZIP64 field (APPNOTE 4.3.12)."""
    (extra_length,) = unpack_from("<H", record, 30)
    return record[:30] + pack("<H", extra_length + 9) + record[32:] + _timestamp(mtime)


def _timestamp(mtime: int) -> bytes:
    return b"UT\x05\x00\x01" + pack("<l", mtime)


@pytest.mark.parametrize("size", [0, 100, 2**31, 2**32 + 1])
def test_records_are_stocks_and_the_extended_timestamp_for_a_member_with_a_time(stock: Stock, size: int) -> None:
    """A time changes the DOS fields as in stock's output, and adds Info-ZIP's UT field: 9 bytes in either header."""
    member = Member("timed.bin", size)
    runs, directory = stock([member], LATER)
    header_length = 30 + len(member.name) + (20 if member.zip64 else 0)
    header = b"".join(run for run in runs if isinstance(run, bytes))[:header_length]
    record = directory[: directory.index(b"PK\x06" if size > ZIP64_LIMIT else b"PK\x05\x06")]
    fixed: dict[str, Any] = {
        "name": member.name,
        "mtime": LATER,
        "method": Method.STORED,
        "descriptor": True,
        "zip64": member.zip64,
        "crc": CRC,
        "size": size,
        "stored": size,
    }
    assert records.local_header(**fixed) == _with_time(header, LATER)
    assert records.directory_record(**fixed, offset=0) == _directory_with_time(record, LATER)


# -- the end records, at every count and length ----------------------------------------------------------------------


def stock_end(*, entries: int, directory_start: int, directory_length: int) -> bytes:
    """What stock's own footer writes for a directory of so many records and bytes."""
    stream = ng.ZipStream()
    stream._pos = directory_start
    sizes = [directory_length] + [0] * (entries - 1) if entries else []
    stream._filelist = [
        SimpleNamespace(_central_directory_header_data=lambda size=size: Weightless(size)) for size in sizes
    ]
    return b"".join(chunk for chunk in stream.footer() if isinstance(chunk, bytes))


@pytest.mark.parametrize("entries", [0, 1, 65_534, 65_535, 65_536, 100_000])
def test_end_records_are_stocks_at_every_entry_count(entries: int) -> None:
    """From 65,535 entries on there are ZIP64 end records: 0xFFFF alone sends strict readers to look for them."""
    where = {"entries": entries, "directory_start": 1000 * entries, "directory_length": 50 * entries}
    assert records.end_records(**where) == stock_end(**where)


@pytest.mark.parametrize("start", [0, *EDGES])
@pytest.mark.parametrize("length", [46, *EDGES])
def test_end_records_are_stocks_at_every_start_and_length(start: int, length: int) -> None:
    """A directory that begins or reaches past 2^31 and 2^32 has stock's ZIP64 end records."""
    where = {"entries": 1, "directory_start": start, "directory_length": length}
    assert records.end_records(**where) == stock_end(**where)


# -- a whole layout --------------------------------------------------------------------------------------------------


def placed(places: Offsets) -> Written:
    """All that a layout's places hold, every CRC known."""
    chunks: list[bytes | Weightless] = []
    for member in range(places.layout.members):
        crc = places.crcs[member]
        chunks += [places.header(member, crc), Weightless(places.stored[member]), places.descriptor(member, crc)]
    directory, position = b"", places.directory_start
    while position < places.length:
        directory += places.directory(Span(position, places.length))
        position = places.directory_start + len(directory)
    return _runs(chunks), directory


def test_layout_is_stocks_where_members_have_descriptors(stock: Stock) -> None:
    """Offsets of large members, ZIP64 ones and offsets past 4 GiB among them, hold what stock writes."""
    members = [
        Member("a.bin", 2_000_000),
        Member("größe.bin", 2**32 + 1),
        Member("c.bin", 3_000_000),
        Member("d.bin", 2**31),
    ]
    members += [Member("e.bin", 2_000_001)]
    layout = freeze(
        [Planned(n, m.name, None, m.size, None) for n, m in enumerate(members)], frozen_at=LATER, compressor=""
    )
    places = Offsets(layout)
    places.crcs[:] = array("q", [CRC] * len(members))
    assert all(trait & Trait.DESCRIPTOR for trait in layout.traits)
    runs, directory = placed(places)
    assert (runs, directory) == stock(members, DOS_EPOCH)
    assert places.length == sum(run if isinstance(run, int) else len(run) for run in runs) + len(directory)
    sized = ng.ZipStream(sized=True)
    for member in members:
        sized.add(iter(()), member.name, size=member.size)
    assert places.length == len(sized)


def test_layout_is_stocks_with_65535_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole archive of exactly 65,535 entries is stock's, 76 bytes longer than stock's own len() says."""
    monkeypatch.setattr(ng, "time", SimpleNamespace(localtime=lambda _seconds=None: time.gmtime(DOS_EPOCH)))
    names = [f"{number:05x}/" for number in range(65_535)]
    stream = ng.ZipStream(sized=True)
    for name in names:
        stream.add(None, name)
    headers = b"".join(stream.all_files())
    for info in stream._filelist:
        info.external_attr = 0o40755 << 16 | 0x10  # stock's folders without a path are group-writable
    places = Offsets(
        freeze([Planned(n, name, None, 0, 0) for n, name in enumerate(names)], frozen_at=LATER, compressor="")
    )
    runs, directory = placed(places)
    # Not compared by pytest, which would take minutes to print how megabytes differ.
    same = runs == [headers] and directory == b"".join(stream.footer())
    assert same
    assert places.length == len(stream) + 76
