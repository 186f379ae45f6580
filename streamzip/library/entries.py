"""What a program asks to have packed, as a manifest: URLs beside files, bytes and iterators of its own.

A text is always a URL, and never a path: a list that came from outside cannot name a file of this machine. Files are
given as `pathlib.Path`.
"""

import hashlib
import json
import os
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamzip.errors import InvalidRequest, Problem
from streamzip.library.errors import InvalidEntries, translated
from streamzip.library.local import SCHEME, Buffer, Local, LocalFile, Once
from streamzip.manifest.model import Compression, Entry, Manifest, OnError
from streamzip.manifest.names import clean_filename, clean_name, unique_names
from streamzip.manifest.objects import SCHEMES as OBJECTS
from streamzip.manifest.parse import Limits, parse_create
from streamzip.manifest.uploads import SCHEME as UPLOADS
from streamzip.urls.addresses import Exempt

Content = str | os.PathLike[str] | bytes | bytearray | memoryview | AsyncIterable[bytes] | Iterable[bytes]
Item = str | os.PathLike[str] | tuple[str, Content] | Mapping[str, Any]

MOST_ENTRIES = 1_000_000
_LIMITS = Limits(max_entries=MOST_ENTRIES)
# What only a gateway reads, and why it is refused here.
_OF_GATEWAYS = {
    UPLOADS: "upload: names a file that lies at a gateway, and here is none",
    **{
        scheme: f"{scheme} names an object of a bucket that a gateway's operator listed, and here is none"
        for scheme in OBJECTS
    },
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A list that may be packed. `local`: what its entries of `local:` stand for; `renamed`: pairs of the name that was
    asked for and the name in the archive.
    """

    manifest: Manifest
    local: tuple[Local, ...]
    renamed: tuple[tuple[str, str], ...]

    def digest(self) -> str:
        """Return what names the list and its options: another list has another one."""
        digest = hashlib.sha256(b"list 1")
        for piece in self.manifest.canonical():
            digest.update(piece)
        return digest.hexdigest()


def read(items: Iterable[Item], *, filename: str, compression: Compression, on_error: OnError, exempt: Exempt) -> Asked:
    """Return what is asked for. Raises InvalidEntries."""
    rows: list[tuple[int, dict[str, Any]]] = []  # those on the web, with their place in the list
    entries: dict[int, Entry] = {}
    local: list[Local] = []
    place = 0
    for given, item in enumerate(items):
        for row, content in _rows(given, item):
            if content is None:
                rows.append((place, row))
            else:
                entries[place] = Entry(f"{SCHEME}:{len(local)}", row.get("name") or content.name, id=content.identity)
                local.append(content)
            place += 1
    if not place:
        raise InvalidEntries([("", "the list is empty")])
    options = {"filename": filename, "compression": compression, "on_error": on_error}
    entries |= _on_the_web(rows, options, exempt)
    wished = [entries[number] for number in range(place)]
    names = unique_names([entry.name for entry in wished], [at for at, entry in entries.items() if entry.is_folder])
    renamed = tuple((entry.name, name) for entry, name in zip(wished, names, strict=True) if entry.name != name)
    named = tuple(replace(entry, name=name) for entry, name in zip(wished, names, strict=True))
    manifest = Manifest(named, clean_filename(filename), compression, on_error)
    return Asked(manifest, tuple(local), renamed)


def _on_the_web(rows: list[tuple[int, dict[str, Any]]], options: dict[str, str], exempt: Exempt) -> dict[int, Entry]:
    """Return the entries that have URLs, by their place, judged as create judges them."""
    asked = options | {"entries": [row for _, row in rows] or [{"url": "https://none.invalid/"}]}
    try:
        found = parse_create(json.dumps(asked).encode(), _LIMITS, allow=exempt).manifest.entries
    except InvalidRequest as error:
        raise InvalidEntries([(_placed(each.pointer, rows), each.detail) for each in error.errors]) from error
    except Problem as problem:
        raise translated(problem) from problem
    except TypeError as error:
        raise InvalidEntries([("", f"an entry holds what is no JSON: {error}")]) from error
    wrong = [
        (f"/entries/{place}/url", why)
        for (place, _), entry in zip(rows, found, strict=False)
        for scheme, why in _OF_GATEWAYS.items()
        if entry.url.startswith(scheme)
    ]
    if wrong:
        raise InvalidEntries(wrong)
    return {place: entry for (place, _), entry in zip(rows, found, strict=False)}


def _placed(pointer: str, rows: list[tuple[int, dict[str, Any]]]) -> str:
    """Return the pointer with the entry's number in the whole list."""
    _, first, *rest = pointer.split("/") if pointer else ("", "")
    if first != "entries" or not rest:
        return pointer
    return "/".join(["", "entries", str(rows[int(rest[0])][0]), *rest[1:]])


def _rows(given: int, item: Item) -> Iterator[tuple[dict[str, Any], Local | None]]:
    """Yield what one item stands for: a row as create takes it, or a name beside content of this process."""
    match item:
        case str():
            yield {"url": item}, None
        case Mapping():
            row = dict(item)
            content = row.pop("content", None)
            if content is None:
                yield row, None
            elif row.keys() - {"name"}:
                raise InvalidEntries([(f"/entries/{given}", "beside `content` an entry has a `name`, and no more")])
            else:
                yield from _named(given, row.get("name"), content)
        case (str() as name, content):
            yield from _named(given, name, content)
        case os.PathLike():
            yield from _files(Path(item), None)
        case _:
            raise _strange(given, item)


def _named(given: int, name: str | None, content: Any) -> Iterator[tuple[dict[str, Any], Local | None]]:
    row = {} if name is None else {"name": name}
    match content:
        case str():
            yield row | {"url": content}, None
        case os.PathLike():
            yield from _files(Path(content), name)
        case bytes() | bytearray() | memoryview():
            yield row, Buffer(bytes(content))
        case AsyncIterable() | Iterable():
            yield row, Once(content)
        case _:
            raise _strange(given, content)


def _files(path: Path, name: str | None) -> Iterator[tuple[dict[str, Any], Local | None]]:
    """Yield the file; of a folder all files beneath it, in the order of their names, links to folders not followed."""
    if not path.is_dir():
        yield {"name": name or path.name}, LocalFile(path.absolute())
        return
    root = name or path.absolute().name
    for folder, inner, files in os.walk(path):
        inner.sort()
        for file in sorted(files):
            found = Path(folder, file)
            yield {"name": clean_name(f"{root}/{found.relative_to(path)}")}, LocalFile(found.absolute())


def _strange(given: int, item: object) -> InvalidEntries:
    kinds = "a URL, a path, bytes, an iterable of bytes, or a mapping with a `url`"
    return InvalidEntries([(f"/entries/{given}", f"{kinds} is expected, and this is a {type(item).__name__}")])
