"""The JSON descriptors of scosman/zipstreamer, as a create's request. PURE.

    {"suggestedFilename": "photos.zip", "files": [{"url": "https://…", "zipPath": "holiday/a.png"}]}

Read as its Go program reads them: keys in any case, unknown ones passed over, null as good as absent; the older names
`entries`, `Url` and `ZipPath` too. An entry that it would not take is left out. Its `../x` stands as `x` here, because
names are cleaned.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from streamzip.errors import NotJson
from streamzip.manifest.model import Compression, Entry, Manifest
from streamzip.manifest.names import clean_filename
from streamzip.manifest.parse import CreateRequest, Limits, check_count, named
from streamzip.manifest.strict_json import Take, read_json
from streamzip.urls.addresses import Exempt
from streamzip.urls.urls import check_url

VALUES_PER_ENTRY = 16  # JSON's values, where there are as many entries as may be

_Row = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the operator set for every descriptor. `prefix`: what each file's URL begins with."""

    prefix: str
    compression: Compression


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor as it was sent: pairs of URL and path. `page`: it is the request for a web page's images."""

    filename: str
    files: tuple[tuple[str, str], ...]
    page: bool

    def asked(self, limits: Limits, terms: Terms, *, owner: str | None, allow: Exempt) -> CreateRequest | None:
        """Return what it asks for; None where no entry is left. `owner`, `allow`: as for `parse_create`."""
        wished = [Entry(url, path) for url, path in self._taken(limits, terms, allow)]
        if not wished:
            return None
        entries, renamed = named(wished)
        filename = clean_filename(self.filename)
        manifest = Manifest(entries, filename=filename, compression=terms.compression, owner=owner)
        return CreateRequest(manifest, renamed, prefetch=False, plain=False)

    def _taken(self, limits: Limits, terms: Terms, allow: Exempt) -> Iterator[tuple[str, str]]:
        for url, given in self.files:
            path = posixpath.normpath(given.encode(errors="replace").decode())
            if path.startswith("/") or path == "." or len(path) > limits.max_name or len(url) > limits.max_url:
                continue
            try:
                check_url(url, allow)
            except ValueError:
                continue
            if url.startswith(terms.prefix):
                yield url, path


def read(body: bytes | bytearray, limits: Limits) -> Descriptor:
    """Return the descriptor that `body` holds; a bytearray is emptied.

    Raises NotJson, also for a value of another type than its key's; TooLarge.
    """
    document = read_json(
        body,
        max_depth=limits.max_depth,
        max_values=VALUES_PER_ENTRY * limits.max_entries + 100,
        lists=dict.fromkeys(("files", "entries"), _taker(limits)),
    )
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise NotJson("a descriptor is an object")
    files = _files(document, "files", limits) or _files(document, "entries", limits)
    page = isinstance(document.get("url"), str) and not any(key.lower() in ("files", "entries") for key in document)
    return Descriptor(_text(document, "suggestedFilename"), tuple(row for row in files if row is not None), page)


def _taker(limits: Limits) -> Take:
    def take(index: int, value: Any) -> _Row:
        check_count(index, limits)
        return _row(value)

    return take


def _files(document: dict[str, Any], key: str, limits: Limits) -> list[_Row]:
    value = _value(document, key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise NotJson(f"`{key}` is a list")
    # What stood under the key in lower case was taken as it was read.
    take = _taker(limits)
    return [row if isinstance(row, tuple) else take(index, row) for index, row in enumerate(value)]


def _row(value: Any) -> _Row:
    if value is None:
        return "", ""
    if not isinstance(value, dict):
        raise NotJson("a file is an object with `url` and `zipPath`")
    return _text(value, "url"), _text(value, "zipPath")


def _text(row: dict[str, Any], key: str) -> str:
    value = _value(row, key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotJson(f"`{key}` is a text")
    return value


def _value(row: dict[str, Any], key: str) -> Any:
    """Return the value of the key, in whatever case it is written; as it is meant to be written wins."""
    value = row.get(key)
    if value in (None, "", []):
        wanted = key.lower()
        others = (each for name, each in row.items() if name != key and name.lower() == wanted)
        value = next(others, value)
    return value
