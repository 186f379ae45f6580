"""What the head of an origin's answer says, read strictly; pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from streamzip.errors import OriginError, UnusableRange
from streamzip.manifest.dispositions import MOST_LONG
from streamzip.net.retry import http_date
from streamzip.origins.kinds import is_worth_another
from streamzip.origins.port import Facts, Validator

# A validator is kept with the layout, for every entry, and sent back: no origin may choose 64 KiB of anything.
_KEEPABLE = re.compile(r"[\x20-\x7e]{1,1024}")
MOST_BYTES = 1 << 53  # of one file; offsets in an archive stay far below 63 bits
# RFC 9110, 8.8.3, ASCII alone: other bytes would not come back to the origin as it wrote them.
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')
# `[0-9]`, because `\d` and int() take other scripts' digits, signs and underscores; 18 digits are an exabyte.
_LENGTH = re.compile("[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.IGNORECASE)
_COMPRESSIONS = frozenset(
    {"gzip", "x-gzip", "br", "deflate", "zstd", "compress", "x-compress", "dcb", "dcz", "pack200-gzip", "exi", "bzip2"}
)


class ContentRange(NamedTuple):
    """Where the part lies that a 206 brings: the bytes `[start, stop)` of `size`; None: of a size not known."""

    start: int
    stop: int
    size: int | None


class Head:
    """Status and fields of an answer, their names in lower case. A field that comes more than once has its values
    joined (RFC 9110, 5.3).
    """

    def __init__(self, status: int, fields: Sequence[tuple[bytes, bytes]]) -> None:
        self.status = status
        self._lines = fields
        self._fields = dict(fields)
        if len(self._fields) < len(fields):
            self._fields.clear()
            for name, value in fields:
                self._fields[name] = self._fields[name] + b", " + value if name in self._fields else value
        # The tokens of its Content-Encoding, in lower case; many mean nothing for stored bytes: aws-chunked, utf-8.
        coded = self.field(b"content-encoding") if b"content-encoding" in self._fields else None
        self.codings: list[str] = [] if coded is None else [token.strip().lower() for token in coded.split(",")]
        # Those that change the bytes, in the order in which they were applied.
        self.compressions: list[str] = [coding for coding in self.codings if coding in _COMPRESSIONS]

    def field(self, name: bytes) -> str | None:
        """Return the value of the field of that lower-case name."""
        value = self._fields.get(name)
        return None if value is None else value.decode("latin-1").strip()

    def all(self, name: bytes) -> list[str]:
        """Return the values of a field that may come more than once and not be joined, as Set-Cookie."""
        return [value.decode("latin-1").strip() for each, value in self._lines if each == name]

    @property
    def lines(self) -> Sequence[tuple[bytes, bytes]]:
        """Return the fields as they came."""
        return self._lines

    @property
    def length(self) -> int | None:
        """Return how many bytes the body has, where its framing says so."""
        text = self.field(b"content-length")
        if text is None or b"transfer-encoding" in self._fields:
            return None
        if not _LENGTH.fullmatch(text):
            raise bad_answer("its Content-Length is not a number")
        return int(text)

    def check_file(self, decodable: frozenset[str] = frozenset()) -> None:
        """Raise OriginError unless this is the answer of a file's own bytes, whole or in part. `decodable`: codings
        that may be undone, where there is one alone.
        """
        if self.status not in (200, 203, 206):
            raise self._refusal()
        if self.compressions and not (len(self.compressions) == 1 and self.compressions[0] in decodable):
            raise OriginError("content_encoded", "the origin compressed the file although it was asked not to")
        if b"transfer-encoding" in self._fields and self._transfer_coding != "chunked":
            raise bad_answer("its Transfer-Encoding is not one that was asked for")

    @property
    def _transfer_coding(self) -> str:
        return (self.field(b"transfer-encoding") or "chunked").lower()

    def content_range(self) -> ContentRange:
        """Return what a 206 brings. Raises UnusableRange where its Content-Range is missing or contradicts itself."""
        match = _CONTENT_RANGE.fullmatch(self.field(b"content-range") or "")
        if match is None:
            raise unusable("it brings a part without saying which")
        start, stop, size = int(match[1]), int(match[2]) + 1, None if match[3] == "*" else int(match[3])
        if start >= stop or (size is not None and stop > size) or self.length not in (None, stop - start):
            raise unusable("its Content-Range contradicts itself or its Content-Length")
        return ContentRange(start, stop, size)

    def whole_length(self) -> int | None:
        """Return how many bytes the file has that this answer brings; None where it does not say.

        Some origins say 206 to a plain request, and 200 of a part: OriginError where it brings less than all.
        """
        if self.status != 206 and b"content-range" not in self._fields:
            return self.length
        try:
            part = self.content_range()
        except UnusableRange as error:
            if self.status == 206:
                raise bad_answer("it brings a part where the whole file was asked for") from error
            return self.length  # no field that a 200 should have, and not one that can be read
        if part.start or part.stop != part.size:
            raise bad_answer("it brings a part where the whole file was asked for")
        return part.size

    def version(self, *, size: int | None, ranges: bool) -> Facts:
        """Return the facts that a pull looks at, and no others. Raises OriginError where the size is none."""
        if size is not None and size > MOST_BYTES:
            raise bad_answer("no file is that large")
        return Facts(size, self._validator(), ranges, None, None)

    def facts(self, *, size: int | None, ranges: bool) -> Facts:
        """Return what it tells of the whole file. Raises OriginError where its size is none."""
        version = self.version(size=size, ranges=ranges)
        modified, disposition = self.field(b"last-modified"), self.field(b"content-disposition")
        return Facts(
            size,
            version.validator,
            ranges,
            None if modified is None else http_date(modified),
            self.field(b"content-type"),
            disposition=disposition if disposition is None or len(disposition) <= MOST_LONG else None,
        )

    @property
    def takes_ranges(self) -> bool:
        """Return whether it says that it would answer a range with a part."""
        return (self.field(b"accept-ranges") or "").lower() == "bytes"

    def _validator(self) -> Validator | None:
        etag = self.field(b"etag")
        if etag is not None and _STRONG_ETAG.fullmatch(etag) and _KEEPABLE.fullmatch(etag):
            return Validator(etag, strong=True)
        weak = self.field(b"last-modified") or etag
        return Validator(weak, strong=False) if weak and _KEEPABLE.fullmatch(weak) else None

    def _refusal(self) -> OriginError:
        told = f"the origin answered {self.status}"
        return OriginError(f"http_{self.status}", told, transient=is_worth_another(self.status))


def unusable(why: str, *, size: int | None = None) -> UnusableRange:
    """Return the answer to a range makes no sense, or proves nothing; `size`: what it said to be the file's."""
    return UnusableRange("bad_answer", f"the origin's answer cannot be used: {why}", transient=True, size=size)


def bad_answer(why: str) -> OriginError:
    """Return the origin's answer makes no sense; a broken proxy in between may be gone at the next attempt."""
    return OriginError("bad_answer", f"the origin's answer cannot be used: {why}", transient=True)
