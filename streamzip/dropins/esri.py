"""The manifests of Esri/zipstream, as rows of a manifest of ours. PURE.

    {"filename": "test.zip", "entries": [{"archive_name": "a.jpg", "length": 7293198, "crc": 2113672619,
     "source": "s3://bucket/key", "last_modified": "2020-04-24T19:12:24.268Z"}]}

Read as its Rust program reads them: every key is required, unknown ones are passed over, a key of S3 stands there as it
is and not percent-encoded, and members lie in the order of their names.
"""

import re
from typing import Any, Final

from streamzip.dropins.mod_zip import ListError
from streamzip.errors import NotJson, TooLarge
from streamzip.manifest.model import Entry
from streamzip.manifest.objects import ObjectName, object_in
from streamzip.manifest.strict_json import read_json
from streamzip.manifest.times import read_time

SCHEME: Final = "upstream-s3:"  # of the objects' URLs in a manifest: no client's create may name them

LONGEST: Final = 65535  # bytes of a text: what a zip has room for as a name
DEEPEST: Final = 8  # JSON's levels
VALUES_PER_ENTRY: Final = 12  # JSON's values, where there are as many entries as may be
_SOURCE = re.compile(r"s3://([^/]+)/(.+)")
_MOST_BYTES: Final = 2**53 - 1  # RFC 7493: beyond it JSON's numbers differ from reader to reader


def read(body: bytes, *, most: int) -> tuple[str, list[Entry]]:
    """Return the archive's file name, and at most `most` entries. Raises ListError, which names the entry."""
    try:
        values = VALUES_PER_ENTRY * most + 100
        document = read_json(body, max_depth=DEEPEST, max_values=values, max_bare=most + 100)
    except (NotJson, TooLarge) as problem:
        raise ListError(problem.detail) from problem
    if not isinstance(document, dict) or not isinstance(document.get("entries"), list):
        raise ListError("an object with `filename` and a list of `entries` is expected")
    filename, rows = document.get("filename"), document["entries"]
    if not isinstance(filename, str):
        raise ListError("`filename` is a text")
    if len(rows) > most:
        raise ListError(f"the list has more than {most:,} entries")
    entries = [_entry(row, number) for number, row in enumerate(rows, 1)]
    return filename, sorted(entries, key=lambda entry: (entry.name, entry.url))


def _entry(row: Any, number: int) -> Entry:
    try:
        if not isinstance(row, dict):
            raise ListError("an object is expected")
        source = _SOURCE.fullmatch(_text(row, "source"))
        if source is None:
            raise ListError("`source` is an s3://bucket/key")
        url = ObjectName("s3", source[1], source[2]).url
        object_in(url)
        mtime = read_time(row.get("last_modified"))
        size, crc32 = _number(row, "length", _MOST_BYTES), _number(row, "crc", 2**32 - 1)
        return Entry(f"upstream-{url}", _text(row, "archive_name"), size=size, crc32=crc32, mtime=mtime)
    except ValueError as error:
        raise ListError(f"entry {number}: {error}") from error


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise ListError(f"`{key}` is a text")
    if len(value.encode(errors="replace")) > LONGEST or value != value.encode(errors="replace").decode():
        raise ListError(f"`{key}` is longer than {LONGEST} bytes, or holds half of a surrogate pair")
    return value


def _number(row: dict[str, Any], key: str, most: int) -> int:
    value = row.get(key)
    if type(value) is not int or not 0 <= value <= most:
        raise ListError(f"`{key}` is a whole number from 0 to {most}")
    return value
