"""Range requests (RFC 9110 §14): which spans a Range field asks for, and how they are framed in a 206.

Nothing here touches bytes of an archive; the same rendered headers give the Content-Length and the body.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from streamzip.spans import Span

# Far above what players, PDF readers and download managers ask for at once. With the disjointness demanded below it
# bounds a 206 to one whole archive and this many part headers (the "Apache killer" asked for 1,300 overlapping ones).
MOST_RANGES = 50
LONGEST = 16_384  # letters of the field: fifty ranges have an eighth of it, and empty ones cost as much as others

# [0-9], never \d, str.isdigit or a bare int(): those take "１", "²", "1_0" and "+1", which the grammar does not.
_SPEC = r"(?:[0-9]++-[0-9]*+|-[0-9]++)"
_EACH = re.compile(r"([0-9]*)-([0-9]*)")
# A list as §5.6.1 has recipients take it: white space around commas only, elements may be empty (`bytes=0-0,,2-3`).
# Possessive, because blanks between two commas could else be shared out in ever so many ways.
_SET = re.compile(rf"(?:{_SPEC})?(?:[ \t]*+,[ \t]*+(?:{_SPEC})?)*+")
# Of RFC 2046 §5.1.1 what needs no quotes, because some clients take quotes for a part of the boundary.
_BOUNDARY = re.compile(r"[0-9A-Za-z'+_.-]{1,70}")


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """The field is well formed, but no range of it has a byte here: 416, with `unsatisfied_range`."""


def parse_range(value: str, length: int, *, most: int = MOST_RANGES) -> tuple[Span, ...] | Unsatisfiable | None:
    """Return the spans that a Range field's `value` asks for of `length` bytes: in request order, clamped, none of them
    empty.

    None: serve the whole, as if the field were absent. So it is for another unit, for anything outside the grammar
    (one bad range spoils the set), for more than `most` ranges or LONGEST letters, and for ranges that overlap (§14.2
    allows it).
    Spans are therefore disjoint, and never hold more than `length` bytes together.
    """
    if len(value) > LONGEST:
        return None
    unit, _, ranges = value.strip(" \t").partition("=")
    if unit.lower() != "bytes" or not _SET.fullmatch(ranges):
        return None
    specs = _EACH.findall(ranges)
    if not 0 < len(specs) <= most:
        return None
    spans = []
    for first, last in specs:
        if first and last and _magnitude(last) < _magnitude(first):
            return None  # §14.1.2: invalid, not merely unsatisfiable
        if not length and not first and last.strip("0"):
            return None  # `-5` of nothing is satisfiable (§14.1.2), but no Content-Range can say so
        span = _clamped(first, last, length)
        if span.length > 0:
            spans.append(span)
    if any(after.start < before.stop for before, after in pairwise(sorted(spans))):
        return None
    return tuple(spans) or Unsatisfiable()


def content_range(span: Span, length: int) -> str:
    """Return the Content-Range of a part that holds `span` of `length` bytes."""
    return f"bytes {span.start}-{span.stop - 1}/{length}"


def unsatisfied_range(length: int) -> str:
    """Return the Content-Range of a 416: it tells the client how long the whole is."""
    return f"bytes */{length}"


@dataclass(frozen=True, slots=True)
class Multipart:
    """The framing of a multipart/byteranges body: each part's header, the span that follows it, and the end."""

    content_type: str
    parts: tuple[tuple[bytes, Span], ...]
    trailer: bytes

    @property
    def length(self) -> int:
        """Content-Length: every byte of the body, framing and spans."""
        return sum(len(header) + span.length for header, span in self.parts) + len(self.trailer)


def multipart(spans: Sequence[Span], length: int, *, content_type: str, boundary: str) -> Multipart:
    """Frame `spans` of a representation of `length` bytes and of `content_type` as multipart/byteranges.

    `boundary` is a fresh random token for each answer (secrets.token_hex(16)): whoever wrote an archived file cannot
    have put it there. Raises ValueError for a boundary that RFC 2046 does not allow unquoted.
    """
    if not _BOUNDARY.fullmatch(boundary):
        raise ValueError(f"not a multipart boundary: {boundary!r}")
    parts = []
    for number, span in enumerate(spans):
        header = (
            ("\r\n" if number else "")  # the line end before a delimiter belongs to it, and nothing precedes the first
            + f"--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range(span, length)}\r\n\r\n"
        )
        parts.append((header.encode("latin-1"), span))
    return Multipart(f"multipart/byteranges; boundary={boundary}", tuple(parts), f"\r\n--{boundary}--\r\n".encode())


def _clamped(first: str, last: str, length: int) -> Span:
    """Return what `first-last`, `first-` or `-last` holds of `length` bytes; empty where that is nothing."""
    if not first:
        return Span(length - _at_most(last, length), length)
    return Span(_at_most(first, length), min(_at_most(last, length) + 1, length) if last else length)


def _magnitude(number: str) -> tuple[int, str]:
    """Return a key that orders decimal numbers of any length: int() refuses more than 4,300 digits."""
    significant = number.lstrip("0")
    return len(significant), significant


def _at_most(number: str, ceiling: int) -> int:
    """Return the number, or `ceiling` where it is higher."""
    digits, significant = _magnitude(number)
    return min(int(significant or "0"), ceiling) if digits <= len(str(ceiling)) else ceiling
