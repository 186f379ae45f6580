"""What a bucket lists, read from its XML: objects, or the newest versions of them. PURE.

ListObjectsV2 and ListObjectVersions of Amazon's S3 API, asked with `encoding-type=url`: a key may hold characters that
XML cannot.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_plus
from xml.parsers import expat

COLD: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # not to be read before they are restored
_OBJECTS: Final = frozenset({"Contents", "Version"})


class Listed(NamedTuple):
    """One object of a page. `version`: None where its bucket keeps none; `modified` in epoch seconds."""

    key: str
    size: int
    etag: str
    modified: int | None
    version: str | None
    cold: bool


class Page(NamedTuple):
    """One page, and the query of the next; None: it was the last."""

    objects: tuple[Listed, ...]
    following: str | None


def first_query(prefix: str, *, versions: bool, most: int) -> str:
    """Return the query of a prefix's first page of at most `most` objects."""
    kind = "versions=" if versions else "list-type=2"
    return f"encoding-type=url&{kind}&max-keys={most}&prefix={_quoted(prefix)}"


def read_page(body: bytes, query: str) -> Page:
    """Return the page in the answer to `query`. Raises ValueError."""
    reading = _Reading()
    try:
        reading.parser.Parse(body, True)
        escaped = reading.told.get("EncodingType") == "url"
        objects = tuple(_listed(row, escaped) for row in reading.rows if row.get("IsLatest") != "false")
    except (expat.ExpatError, ValueError, KeyError) as error:
        raise ValueError(f"the bucket's list cannot be read: {error}") from error
    if reading.root not in ("ListBucketResult", "ListVersionsResult"):
        raise ValueError("the bucket answered with something else than a list")
    return Page(objects, _following(reading.told, query, escaped))


def _following(told: Mapping[str, str], query: str, escaped: bool) -> str | None:
    if told.get("IsTruncated") != "true":
        return None
    first = query.partition("&continuation-token=")[0].partition("&key-marker=")[0]
    if "NextKeyMarker" in told:
        marker = _key(told["NextKeyMarker"], escaped)
        version = told.get("NextVersionIdMarker", "")
        return f"{first}&key-marker={_quoted(marker)}&version-id-marker={_quoted(version)}"
    if not told.get("NextContinuationToken"):
        raise ValueError("the bucket's list goes on without saying where")
    return f"{first}&continuation-token={_quoted(told['NextContinuationToken'])}"


def _listed(row: Mapping[str, str], escaped: bool) -> Listed:
    size, version = row["Size"], row.get("VersionId")
    if not size.isascii() or not size.isdigit() or len(size) > 18:
        raise ValueError("a size is no number")
    return Listed(
        _key(row["Key"], escaped),
        int(size),
        row.get("ETag", ""),
        _time(row.get("LastModified", "")),
        version if version not in (None, "", "null") else None,
        row.get("StorageClass") in COLD,
    )


def _key(written: str, escaped: bool) -> str:
    return unquote_plus(written, errors="strict") if escaped else written


def _time(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return None


def _quoted(text: str) -> str:
    return quote(text, safe="")


class _Reading:
    """The elements of one list: of each object, and of the list itself."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []
        self.told: dict[str, str] = {}
        self.root = ""
        self._path: list[str] = []
        self._text: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text.append
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        raise ValueError("a document type, which no list has")

    def _start(self, tag: str, _: object) -> None:
        if not self._path:
            self.root = tag
        self._path.append(tag)
        self._text.clear()
        if len(self._path) == 2 and tag in _OBJECTS:
            self.rows.append({})

    def _end(self, tag: str) -> None:
        self._path.pop()
        if len(self._path) == 1:
            self.told[tag] = "".join(self._text)
        elif len(self._path) == 2 and self._path[1] in _OBJECTS:
            self.rows[-1][tag] = "".join(self._text)
