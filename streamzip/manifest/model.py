"""The manifest: what a client asked for, normalised, and the two ways it is written down.

`canonical()` is what the archive's hash covers; `document()` is what the store keeps. Both are
`{"archive": {options}, "entries": [...]}` as compact JSON in UTF-8 with sorted keys and the defaults left out, so that
a field added later changes neither the hash nor the document of a manifest that does not use it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any, Literal, get_args

from streamzip.errors import Damaged, NotJson
from streamzip.manifest.fields import Fields
from streamzip.manifest.strict_json import read_lists

Compression = Literal["auto", "store", "deflate"]
OnError = Literal["skip", "fail"]
OnHtml = Literal["keep", "skip", "fail"]
Format = Literal["zip", "tar"]

# Entries rendered at a time: a million of them as dicts at once would be 300 MB, a batch is 0.3.
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One file to pack.

    `name` is the member's path in the archive, already safe and unique. `id` stands for the url in the hash, where the
    client signs its URLs anew each time. `size` in bytes and `crc32` as a number are the client's claims, verified as
    bytes pass; `mtime` is in seconds since the epoch, UTC. `headers` are secrets, for the url's own origin alone.
    `probe`: the origin may be asked for the file before it is pulled; one-time links are good for one request.
    `decode`: what the origin compresses unasked is decoded. `named`: by the client; else the origin may give it another
    name. `on_html`: what becomes of it where a web page comes in its place; None: as the archive has it. An empty
    folder has no url, and a name that ends in a slash.
    """

    url: str
    name: str
    id: str | None = None
    size: int | None = None
    crc32: int | None = None
    mtime: int | None = None
    headers: Fields = field(default=(), repr=False)
    probe: bool = True
    decode: bool = False
    named: bool = True
    on_html: OnHtml | None = None

    @property
    def is_folder(self) -> bool:
        """Return whether it is an empty folder, of which there is nothing to pull."""
        return not self.url


@dataclass(frozen=True, slots=True)
class Manifest:
    """The entries in archive order, and every option that changes the archive's bytes or who may have them.

    `generation` counts the snapshots taken of the same list, from 1; `owner` is the API key's name where keys are set.
    """

    entries: tuple[Entry, ...]
    filename: str = "archive.zip"
    compression: Compression = "auto"
    on_error: OnError = "skip"
    on_html: OnHtml = "keep"
    format: Format = "zip"
    generation: int = 1
    owner: str | None = None

    def canonical(self) -> Iterator[bytes]:
        """Return what the hash covers, piece by piece: an entry that has an id stands there with the id instead of its
        url.
        """
        return self._rendered(_identity)

    def document(self) -> Iterator[bytes]:
        """Everything, to be stored, piece by piece: an entry's url beside its id."""
        return self._rendered(_everything)

    def of_generation(self, generation: int) -> "Manifest":
        """Return the same list as another snapshot."""
        return self if generation == self.generation else replace(self, generation=generation)

    @classmethod
    def from_document(cls, document: str) -> "Manifest":
        """Return the manifest that `document` was written from; raises `Damaged` for a text that no manifest writes."""
        try:
            if len(document) < LONG_DOCUMENT:
                stored = json.loads(document)
                entries = tuple(_stored(row) for row in stored["entries"])
            else:
                stored = read_lists(document, {"entries": lambda _, row: _stored(row)})
                entries = tuple(stored["entries"])
            manifest = cls(entries=entries, **stored["archive"])
        except (ValueError, TypeError, KeyError, RecursionError, NotJson) as error:
            raise Damaged("The stored manifest cannot be read") from error
        options = (
            *((manifest.compression, Compression), (manifest.on_error, OnError)),
            *((manifest.on_html, OnHtml), (manifest.format, Format)),
        )
        if any(value not in get_args(known) for value, known in options):
            raise Damaged("The stored manifest holds an option that this version does not know")
        return manifest

    def _rendered(self, describe: Callable[[Entry], dict[str, Any]]) -> Iterator[bytes]:
        options = {name: getattr(self, name) for name in _DEFAULTS if getattr(self, name) != _DEFAULTS[name]}
        yield b'{"archive":%b,"entries":[' % _json(options)
        entries, comma = iter(self.entries), b""
        while batch := [describe(entry) for entry in islice(entries, _BATCH)]:
            yield comma + _json(batch)[1:-1]
            comma = b","
        yield b"]}"


# Characters. Read at once, a document costs two fifths of the time, but its rows lie in memory beside the entries.
LONG_DOCUMENT = 4 << 20

_DEFAULTS = {option.name: option.default for option in fields(Manifest) if option.name != "entries"}


_json_text = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def _json(value: object) -> bytes:
    return _json_text(value).encode()


def _stored(row: Any) -> Entry:
    if "headers" in row:
        row["headers"] = tuple((str(name), str(value)) for name, value in row["headers"])
    return Entry(**row)


def _everything(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"url": entry.url, "name": entry.name}
    if entry.id is not None:
        row["id"] = entry.id
    if entry.size is not None:
        row["size"] = entry.size
    if entry.crc32 is not None:
        row["crc32"] = entry.crc32
    if entry.mtime is not None:
        row["mtime"] = entry.mtime
    if entry.headers:
        row["headers"] = entry.headers
    if not entry.probe:
        row["probe"] = False
    if entry.decode:
        row["decode"] = True
    if not entry.named:
        row["named"] = False
    if entry.on_html is not None:
        row["on_html"] = entry.on_html
    return row


def _identity(entry: Entry) -> dict[str, Any]:
    row = _everything(entry)
    if entry.id is not None:
        del row["url"]
    return row
