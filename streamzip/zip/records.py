"""The zip records, rendered by zipstream-ng's ZipStreamInfo; no other module imports zipstream.

Stateless: every function takes what stands in the record and returns its bytes, so that an offset past 4 GiB is tested
by passing one. The lengths in the layout are those of records rendered here, so length and bytes cannot drift apart.
Field names and section numbers are those of PKWARE's APPNOTE.TXT 6.3.10.
"""

import struct
import threading
import time
from enum import IntEnum
from functools import cache, lru_cache
from typing import Final

from zipstream.ng import ZIP64_LIMIT, ZIP64_VERSION, ZIP_FILECOUNT_LIMIT, ZipStreamInfo

__all__ = [
    "ZIP64_LIMIT",
    "Method",
    "data_descriptor",
    "directory_length",
    "directory_record",
    "end_records",
    "header_length",
    "local_header",
]

# What zipstream (as CPython) takes for ZIP64 is 2^31 - 1, not APPNOTE's 2^32 - 1; readers accept either, and one rule
# must hold everywhere.

_VERSION: Final = 20  # 4.4.3 version needed to extract: folders and deflate
_DESCRIPTOR_FLAG: Final = 1 << 3  # 4.4.4 general purpose bit 3
_REGULAR_FILE: Final = 0o100644 << 16  # never a symlink, whatever a name says
_FOLDER: Final = 0o040755 << 16 | 0x10  # Unix mode, and the MS-DOS folder bit
_UT_TAG: Final = 0x5455  # Info-ZIP extended timestamp: seconds since the epoch, UTC
_DOS_FIRST: Final = (1980, 1, 1, 0, 0, 0)
_DOS_LAST: Final = (2107, 12, 31, 23, 59, 58)


class Method(IntEnum):
    """4.4.5 compression method, those that we write."""

    STORED = 0
    DEFLATED = 8


class _Blank(threading.local):
    """What each thread fills in anew for each record: making one takes as long as rendering it."""

    def __init__(self) -> None:
        self.info = ZipStreamInfo("x", _DOS_FIRST)
        self.info.create_system = 3  # Unix, so that the mode below is read as one


_blank = _Blank()


def _info(*, name: str, mtime: int | None, method: Method, descriptor: bool) -> ZipStreamInfo:
    info = _blank.info
    info.filename = name  # as names.py made it: without NUL, its folders parted by "/"
    info.date_time, info.extra = _dates(mtime)
    info.compress_type = int(method)
    info.external_attr = _FOLDER if name.endswith("/") else _REGULAR_FILE
    info.flag_bits = _DESCRIPTOR_FLAG if descriptor else 0
    info.create_version = info.extract_version = _VERSION
    return info


@lru_cache(maxsize=256)
def _dates(mtime: int | None) -> tuple[tuple[int, int, int, int, int, int], bytes]:
    return _dos_date(mtime), _extended_timestamp(mtime)


def _dos_date(mtime: int | None) -> tuple[int, int, int, int, int, int]:
    """Return the instant in UTC within what the DOS fields hold (4.4.6): readers that know the UT field use that
    instead.
    """
    if mtime is None or mtime < 315532800:  # before 1980-01-01
        return _DOS_FIRST
    if mtime > 4354819198:  # after 2107-12-31T23:59:58
        return _DOS_LAST
    return time.gmtime(mtime)[:6]


def _extended_timestamp(mtime: int | None) -> bytes:
    """Return the UT extra field, the same in both headers."""
    return struct.pack("<HHBl", _UT_TAG, 5, 1, mtime) if _is_timed(mtime) else b""


def _is_timed(mtime: int | None) -> bool:
    """Return whether the UT field can hold the time: its 32 bits are signed."""
    return mtime is not None and -0x80000000 <= mtime <= 0x7FFFFFFF


def local_header(
    *, name: str, mtime: int | None, method: Method, descriptor: bool, zip64: bool, crc: int, size: int, stored: int
) -> bytes:
    """4.3.7 local file header. With a descriptor, crc, size and stored are not in it and may be anything."""
    info = _info(name=name, mtime=mtime, method=method, descriptor=descriptor)
    info.CRC, info.file_size, info.compress_size = crc, size, stored
    return bytes(info.FileHeader(zip64))


def data_descriptor(*, crc: int, size: int, stored: int, zip64: bool) -> bytes:
    """4.3.9 data descriptor, with its signature (macOS wants it); 8-byte sizes with zip64."""
    info = ZipStreamInfo("x", _DOS_FIRST)
    info.CRC, info.file_size, info.compress_size = crc, size, stored
    return bytes(info.DataDescriptor(zip64))


def directory_record(
    *,
    name: str,
    mtime: int | None,
    method: Method,
    descriptor: bool,
    zip64: bool,
    crc: int,
    size: int,
    stored: int,
    offset: int,
) -> bytes:
    """4.3.12 central directory file header; its ZIP64 extra field holds what does not fit, and stands first (Windows
    7). With zip64 (the local header's) it says that 4.5 is needed, as the local header does.
    """
    info = _info(name=name, mtime=mtime, method=method, descriptor=descriptor)
    info.create_version = info.extract_version = ZIP64_VERSION if zip64 else _VERSION
    info.CRC, info.file_size, info.compress_size, info.header_offset = crc, size, stored, offset
    return bytes(info._central_directory_header_data())


def end_records(*, entries: int, directory_start: int, directory_length: int) -> bytes:
    """4.3.14–4.3.16 the end of the archive, with the ZIP64 records where a field would overflow."""
    end = b""
    count, length, start = entries, directory_length, directory_start
    if entries >= ZIP_FILECOUNT_LIMIT or directory_start > ZIP64_LIMIT or directory_length > ZIP64_LIMIT:
        # At 65,535 already: a count of 0xFFFF sends strict readers (yauzl) to look for the ZIP64 records.
        # "Size of zip64 end of central directory record" leaves out its first 12 bytes: 44.
        end = struct.pack(
            "<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, directory_length, directory_start
        )
        end += struct.pack("<4sLQL", b"PK\x06\x07", 0, directory_start + directory_length, 1)
        count, length, start = min(count, 0xFFFF), min(length, 0xFFFFFFFF), min(start, 0xFFFFFFFF)
    return end + struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, count, count, length, start, 0)


@cache
def _header_shape(timed: bool, zip64: bool) -> int:
    mtime = 1 if timed else None
    method = Method.STORED
    return (
        len(local_header(name="x", mtime=mtime, method=method, descriptor=False, zip64=zip64, crc=0, size=0, stored=0))
        - 1
    )


@cache
def _directory_shape(timed: bool, large: bool, far: bool) -> int:
    mtime = 1 if timed else None
    size, offset = (ZIP64_LIMIT + 1 if large else 0), (ZIP64_LIMIT + 1 if far else 0)
    method = Method.STORED
    record = directory_record(
        name="x",
        mtime=mtime,
        method=method,
        descriptor=False,
        zip64=False,
        crc=0,
        size=size,
        stored=size,
        offset=offset,
    )
    return len(record) - 1


def header_length(*, name_length: int, mtime: int | None, zip64: bool) -> int:
    """Return how many bytes a local header has whose name takes `name_length` bytes in UTF-8."""
    return _header_shape(_is_timed(mtime), zip64) + name_length


def directory_length(*, name_length: int, mtime: int | None, size: int, stored: int, offset: int) -> int:
    """Return how many bytes a directory record has."""
    large = size > ZIP64_LIMIT or stored > ZIP64_LIMIT
    return _directory_shape(_is_timed(mtime), large, offset > ZIP64_LIMIT) + name_length
