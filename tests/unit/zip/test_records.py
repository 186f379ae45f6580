"""The records by themselves: fields as APPNOTE has them, lengths as the layout counts them."""

from datetime import UTC, datetime
from struct import unpack, unpack_from
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.zip import records
from streamzip.zip.records import ZIP64_LIMIT, Method
from tests.unit.zip.sparse import EDGES, TIMES, names, sizes

times = st.none() | st.sampled_from(TIMES) | st.integers(-(2**40), 2**40)
FACTS: dict[str, Any] = {
    "name": "a",
    "mtime": None,
    "method": Method.STORED,
    "descriptor": False,
    "zip64": False,
    "crc": 7,
    "size": 1,
    "stored": 1,
}


def a_header(**fields: Any) -> bytes:
    return records.local_header(**(FACTS | fields))


def a_directory_record(**fields: Any) -> bytes:
    return records.directory_record(**(FACTS | {"offset": 0} | fields))


@settings(deadline=None)
@given(names, times, st.booleans(), st.booleans(), sizes)
def test_header_length_is_that_of_the_rendered_header(
    name: str, mtime: int | None, descriptor: bool, zip64: bool, size: int
) -> None:
    """The layout counts a header by its name's length, time and width, and that is what is rendered."""
    zip64 = zip64 or size > ZIP64_LIMIT
    header = a_header(name=name, mtime=mtime, descriptor=descriptor, zip64=zip64, size=size, stored=size)
    assert len(header) == records.header_length(name_length=len(name.encode()), mtime=mtime, zip64=zip64)


@settings(deadline=None)
@given(names, times, sizes, sizes, sizes, st.booleans())
def test_directory_length_is_that_of_the_rendered_record(
    name: str, mtime: int | None, size: int, stored: int, offset: int, zip64: bool
) -> None:
    """The layout counts a directory record by its name, time, sizes and offset, and that is what is rendered."""
    record = a_directory_record(name=name, mtime=mtime, zip64=zip64, size=size, stored=stored, offset=offset)
    length = records.directory_length(
        name_length=len(name.encode()), mtime=mtime, size=size, stored=stored, offset=offset
    )
    assert len(record) == length


@pytest.mark.parametrize("size", EDGES)
def test_header_has_eight_byte_sizes_with_zip64(size: int) -> None:
    """4.5.3: with ZIP64 both sizes stand in the extra field, size first, and 0xFFFFFFFF in their own fields."""
    header = a_header(size=size, stored=size - 1, zip64=True)
    assert unpack_from("<LL", header, 18) == (0xFFFFFFFF, 0xFFFFFFFF)
    assert header[31:] == b"\x01\x00\x10\x00" + size.to_bytes(8, "little") + (size - 1).to_bytes(8, "little")
    assert unpack_from("<H", header, 4) == (45,)


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("offset", [0, *EDGES, 2**40])
def test_directory_record_has_in_its_zip64_field_what_does_not_fit(size: int, offset: int) -> None:
    """4.5.3: the field holds size and stored size, then the offset, and only those whose own field says 0xFFFFFFFF."""
    record = a_directory_record(size=size, stored=size, offset=offset, zip64=size > ZIP64_LIMIT)
    stored_field, size_field = unpack_from("<LL", record, 20)
    (offset_field,) = unpack_from("<L", record, 42)
    wide = [size, size] * (size > ZIP64_LIMIT) + [offset] * (offset > ZIP64_LIMIT)
    assert (size_field, stored_field) == ((0xFFFFFFFF,) * 2 if size > ZIP64_LIMIT else (size, size))
    assert offset_field == (0xFFFFFFFF if offset > ZIP64_LIMIT else offset)
    extra = record[47:]
    assert unpack(f"<HH{len(wide)}Q" if wide else "<", extra) == ((1, 8 * len(wide), *wide) if wide else ())
    assert unpack_from("<H", record, 6) == (45 if wide else 20,)


@pytest.mark.parametrize("size", EDGES[2:])
def test_data_descriptor_has_eight_byte_sizes_with_zip64(size: int) -> None:
    """4.3.9: signature, CRC, stored size, size; 24 bytes with ZIP64, else 16."""
    wide = records.data_descriptor(crc=7, size=size, stored=size - 1, zip64=True)
    assert unpack("<4sLQQ", wide) == (b"PK\x07\x08", 7, size - 1, size)
    assert unpack("<4sLLL", records.data_descriptor(crc=7, size=3, stored=2, zip64=False)) == (b"PK\x07\x08", 7, 2, 3)


@pytest.mark.parametrize(("entries", "wide"), [(65_534, False), (65_535, True), (65_536, True), (100_000, True)])
def test_end_records_hold_the_whole_count_from_65535_entries_on(entries: int, wide: bool) -> None:
    """The 16-bit count is 0xFFFF from 65,535 on, and the ZIP64 record before it has the count itself."""
    end = records.end_records(entries=entries, directory_start=10, directory_length=20)
    assert len(end) == (98 if wide else 22)
    assert unpack_from("<HHLL", end[-22:], 8) == (min(entries, 0xFFFF), min(entries, 0xFFFF), 20, 10)
    if wide:
        assert unpack_from("<4sQ", end) == (b"PK\x06\x06", 44)
        assert unpack_from("<QQQQ", end, 24) == (entries, entries, 20, 10)
        assert unpack("<4sLQL", end[56:76]) == (b"PK\x06\x07", 0, 30, 1)


@pytest.mark.parametrize("start", EDGES)
def test_end_records_hold_the_whole_start_and_length_of_the_directory(start: int) -> None:
    """Past 2^31 - 1 the ZIP64 record has the directory's start and length, and the locator says where it is."""
    end = records.end_records(entries=1, directory_start=start, directory_length=start + 5)
    assert unpack_from("<QQQQ", end, 24) == (1, 1, start + 5, start)
    assert unpack("<4sLQL", end[56:76]) == (b"PK\x06\x07", 0, 2 * start + 5, 1)
    assert unpack_from("<LL", end[-22:], 12) == (min(start + 5, 0xFFFFFFFF), min(start, 0xFFFFFFFF))


def _dos(moment: datetime) -> tuple[int, int]:
    date = (moment.year - 1980) << 9 | moment.month << 5 | moment.day
    return (moment.hour << 11 | moment.minute << 5 | moment.second // 2, date)


@pytest.mark.parametrize(
    ("mtime", "shown"),
    [
        (None, datetime(1980, 1, 1, tzinfo=UTC)),
        (-1, datetime(1980, 1, 1, tzinfo=UTC)),
        (315532799, datetime(1980, 1, 1, tzinfo=UTC)),
        (315532801, datetime(1980, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (1777629599, datetime(2026, 5, 1, 9, 59, 59, tzinfo=UTC)),
        (4354819199, datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)),
        (2**40, datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC)),
    ],
)
def test_records_show_the_time_in_utc_within_1980_and_2107(mtime: int | None, shown: datetime) -> None:
    """4.4.6: two-second steps, and years outside the DOS range become its ends, the same in both records."""
    assert unpack_from("<HH", a_header(mtime=mtime), 10) == _dos(shown)
    assert unpack_from("<HH", a_directory_record(mtime=mtime), 12) == _dos(shown)


@pytest.mark.parametrize("mtime", [-(2**31), -1, 0, 1777629599, 2**31 - 1])
def test_records_have_the_exact_time_in_an_extended_timestamp(mtime: int) -> None:
    """Info-ZIP's UT field has the second itself, signed, in both records."""
    field = b"UT\x05\x00\x01" + mtime.to_bytes(4, "little", signed=True)
    assert a_header(mtime=mtime)[31:] == field
    assert a_directory_record(mtime=mtime)[47:] == field


@pytest.mark.parametrize("mtime", [None, -(2**31) - 1, 2**31])
def test_records_have_no_extended_timestamp_for_a_time_that_it_cannot_hold(mtime: int | None) -> None:
    """Without a time, or with one beyond 32 signed bits, there is no UT field rather than a wrong one."""
    assert len(a_header(mtime=mtime)) == 31
    assert len(a_directory_record(mtime=mtime)) == 47


@pytest.mark.parametrize(("name", "flag"), [("a.txt", 0), ("größe", 0x800), ("🎉", 0x800)])
def test_records_have_the_utf8_flag_for_names_beyond_ascii_alone(name: str, flag: int) -> None:
    """Bit 11 is set iff the name is not ASCII, and the name is the same bytes in both records."""
    header, record = a_header(name=name), a_directory_record(name=name)
    assert unpack_from("<H", header, 6) == unpack_from("<H", record, 8) == (flag,)
    assert header[30:] == record[46:] == name.encode()


@pytest.mark.parametrize(("name", "mode"), [("a", 0o100644), ("a/", 0o040755)])
def test_directory_record_has_the_mode_of_a_file_or_folder(name: str, mode: int) -> None:
    """Whatever a name says, a member is a regular file or a folder, never a link; the mode is read as Unix's."""
    record = a_directory_record(name=name, size=0, stored=0)
    (attributes,) = unpack_from("<L", record, 38)
    assert attributes >> 16 == mode
    assert bool(attributes & 0x10) == name.endswith("/")
    assert record[5] == 3


def test_header_has_zeros_where_a_descriptor_follows() -> None:
    """4.4.4: with bit 3 the CRC and sizes are not in the header, whatever is handed in, with ZIP64 too."""
    assert unpack_from("<LLL", a_header(descriptor=True, crc=1, size=2, stored=3), 14) == (0, 0, 0)
    wide = a_header(descriptor=True, crc=1, size=2, stored=3, zip64=True)
    assert unpack_from("<LLL", wide, 14) == (0, 0xFFFFFFFF, 0xFFFFFFFF)
    assert wide[35:] == bytes(16)
