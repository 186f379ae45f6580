"""Where the structures of a zip begin and end, read from its own directory (APPNOTE 4.3)."""

import io
import random
import struct
import zipfile

from streamzip.spans import Span


def boundaries(archive: bytes, *, every: int | None = None) -> list[int]:
    """The offsets at which a local header, a member's bytes, a descriptor, a directory record or an end record begins
    or ends; and each multiple of `every` bytes into a member.
    """
    found = {0, len(archive)}
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members, directory = opened.infolist(), opened.start_dir
    for member in members:
        name, extra = struct.unpack_from("<HH", archive, member.header_offset + 26)
        start = member.header_offset + 30 + name + extra
        found |= {member.header_offset, start, start + member.compress_size}
        if every is not None:
            found |= set(range(start, start + member.compress_size, every))
    at = directory
    while archive[at : at + 4] == b"PK\x01\x02":
        found.add(at)
        at += 46 + sum(struct.unpack_from("<HHH", archive, at + 28))
    return sorted(found | {directory, at})


def spans_at(offsets: list[int], length: int) -> list[Span]:
    """Spans of an archive of `length` bytes that begin and that end one byte before, at and after each offset."""
    edges = sorted({edge for offset in offsets for edge in (offset - 1, offset, offset + 1) if 0 <= edge <= length})
    begin = [Span(edge, min(edge + 100, length)) for edge in edges if edge < length]
    end = [Span(max(0, edge - 100), edge) for edge in edges if edge > 0]
    return begin + end


def random_spans(length: int, count: int, chance: random.Random, *, longest: int = 1 << 20) -> list[Span]:
    """Spans of any length up to `longest`, anywhere in an archive of `length` bytes."""
    spans = []
    for _ in range(count):
        start = chance.randrange(length)
        spans.append(Span(start, min(length, start + 1 + int(longest ** chance.random()))))
    return spans
