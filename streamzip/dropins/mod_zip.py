"""The lists of evanmiller/mod_zip, as rows of a manifest. PURE.

    1034ab38 428    /foo.txt   My Document1.txt
    -        100339 /bar%20b?x=1 Other.txt
    0        0      @directory My empty directory

CRC-32 in hex or `-`, size, location (`%XX` before its `?`), and the name up to the line's end, all parted by spaces.
A location is a place on the operator's own file server, and no URL.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from streamzip.dropins.places import leads_out
from streamzip.manifest.model import Entry

SCHEME: Final = "upstream:"  # of the files' URLs in a manifest: no client's create may name them

_LINE = re.compile(rb"([0-9a-fA-F]{1,8}|-) +([0-9]{1,15}) +([^ ]+) +([^ \0][^\0]*)")
_ENDS = re.compile(rb"[\r\n]+")
_DIRECTORY = b"@directory"
_SAFE = "/:@!$&'()*+,;=-._~"
_NATIVE = "native"


class ListError(ValueError):
    """A list that cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Names:
    """How a list's names are written: `charset` of X-Archive-Charset, `separator` of X-Archive-Name-Sep."""

    charset: str = "utf-8"
    separator: bytes = b""

    @classmethod
    def of(cls, charset: str | None, separator: str | None) -> "Names":
        """Return what the two header fields say. Raises ListError for a character set that is not known."""
        asked = (charset or "utf-8").partition(";")[0].strip().lower()
        if asked != _NATIVE:
            try:
                asked = codecs.lookup(asked).name
            except LookupError as error:
                raise ListError(f"the character set {asked[:40]!r} is not known") from error
        return cls(asked, (separator or "").partition(";")[0].strip().encode("latin-1"))

    def read(self, written: bytes) -> str:
        """Return the name. Raises ValueError where it is not in its character set."""
        if self.separator and self.separator in written:
            return written.partition(self.separator)[2].decode()
        if self.charset != _NATIVE:
            return written.decode(self.charset)
        try:
            return written.decode()
        except UnicodeDecodeError:
            return written.decode("cp437")  # what readers take a name for that is not said to be UTF-8


def read(body: bytes, names: Names, *, most: int, sized: bool) -> Iterator[Entry]:
    """Yield the list's entries, at most `most`; a folder that is listed again is passed over.

    `sized`: sizes are as they stand in the list, and verified as bytes pass; else each file is asked for its own.
    Raises ListError.
    """
    folders: set[str] = set()
    number = taken = start = 0
    while start < len(body):
        end = _ENDS.search(body, start)
        line, number = body[start : end.start() if end else len(body)], number + 1
        start, ends = (end.end(), end[0]) if end else (len(body), b"")
        if line:
            entry = _entry(line, number, names, sized)
            if not entry.is_folder or entry.name not in folders:
                folders |= {entry.name} if entry.is_folder else set()
                taken += 1
                if taken > most:
                    raise ListError(f"line {number}: the list has more than {most:,} entries")
                yield entry
        number += max(ends.count(b"\n"), ends.count(b"\r"), 1) - 1


def _entry(line: bytes, number: int, names: Names, sized: bool) -> Entry:
    row = _LINE.fullmatch(line)
    if row is None:
        raise ListError(f"line {number}: expected CRC-32 or -, size, location and name, parted by spaces")
    crc, size, location, written = row.groups()
    try:
        name = names.read(written)
    except ValueError as error:
        raise ListError(f"line {number}: the name is not in {names.charset.upper()}") from error
    if location == _DIRECTORY:
        return Entry("", name.rstrip("/") + "/")
    crc32 = None if crc == b"-" else int(crc, 16)
    return Entry(_url(location, number), name, size=int(size) if sized else None, crc32=crc32)


def _url(location: bytes, number: int) -> str:
    path, mark, query = location.partition(b"?")
    decoded = unquote_to_bytes(path)
    if not decoded.startswith(b"/"):
        raise ListError(f"line {number}: the location begins with a slash, as a path on the file server does")
    if leads_out(decoded.decode("latin-1")):
        raise ListError(f"line {number}: the location leads out of its folder")
    asked = quote(query, safe=_SAFE + "?%") if mark else ""
    return f"{SCHEME}{quote(decoded, safe=_SAFE)}{mark.decode()}{asked}"
