"""Lists of links as people have them, as entries for create. PURE.

Taken: plain lines (`url`, or `url<TAB>name`), aria2's input files (`out=` and `header=` below a line), CSV with a `url`
column, JSON (a list, create's body, or zipstreamer's descriptor), JSON lines, and mod_zip's lists with whole URLs.
"""

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

Entry = dict[str, Any]

_MOD_ZIP = re.compile(r"([0-9a-fA-F]{1,8}|-) +(\d+) +(\S+) +(.+)")
_KEYS = {"zippath": "name", "filename": "name", "archive_name": "name", "out": "name", "link": "url"}


class ListError(ValueError):
    """A list that cannot be read; the message names the line."""


def parse(text: str) -> list[Entry]:
    """Return the list's entries, in their order. Raises ListError."""
    text = text.removeprefix("\ufeff")
    lines = [line.rstrip("\r") for line in text.split("\n")]
    first = next((line for line in lines if line.strip()), "")
    if first.lstrip()[:1] in ("[", "{"):
        return _json(text, lines)
    if (dialect := _header(first)) is not None:
        return list(_csv(lines, dialect))
    if _MOD_ZIP.fullmatch(first.strip()):
        return list(_mod_zip(lines))
    return list(_plain(lines))


def _plain(lines: list[str]) -> Iterator[Entry]:
    entry: Entry = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":  # aria2: an option of the link above
            name, equals, value = line.strip().partition("=")
            if not entry or not equals:
                raise ListError(f"line {number}: an option, as out=NAME, stands below the link that it is for")
            if name == "out":
                entry["name"] = value
            elif name == "header":
                field, _, content = value.partition(":")
                entry.setdefault("headers", {})[field.strip()] = content.strip()
            continue
        if entry:
            yield entry
        url, _, name = line.strip().partition("\t")
        # A second column that is a URL is one of aria2's mirrors, and no name.
        entry = {"url": url} | ({"name": name.strip()} if name.strip() and "://" not in name else {})
    if entry:
        yield entry


def _header(line: str) -> str | None:
    """Return the character that parts a CSV header's columns, where the line is one."""
    for delimiter in ",;\t":
        columns = [column.strip().strip('"').lower() for column in line.split(delimiter)]
        if "url" in columns or (len(columns) > 1 and "link" in columns):
            return delimiter
    return None


def _csv(lines: list[str], delimiter: str) -> Iterator[Entry]:
    rows = csv.DictReader((line for line in lines if line.strip()), delimiter=delimiter)
    for number, row in enumerate(rows, 2):
        entry = _entry({str(key).strip().lower(): value for key, value in row.items() if value}, f"row {number}")
        if "size" in entry:
            if not str(entry["size"]).isdecimal():
                raise ListError(f"row {number}: the size {entry['size']!r} is no number")
            entry["size"] = int(entry["size"])
        yield entry


def _mod_zip(lines: list[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _MOD_ZIP.fullmatch(line.strip())
        if row is None:
            raise ListError(f"line {number}: expected CRC, size, URL and name, parted by spaces")
        crc, size, location, name = row.groups()
        if "://" not in location:
            raise ListError(f"line {number}: {location} is a place on mod_zip's server; here it must be a whole URL")
        yield {"url": location, "name": name, "size": int(size)} | ({} if crc == "-" else {"crc32": crc.zfill(8)})


def _json(text: str, lines: list[str]) -> list[Entry]:
    try:
        document = json.loads(text)
    except ValueError as whole:
        try:
            document = [json.loads(line) for line in lines if line.strip()]
        except ValueError:
            raise ListError(f"the list begins like JSON and is none: {whole}") from whole
    if isinstance(document, dict):
        found = next((document[key] for key in ("entries", "files", "urls") if document.get(key)), None)
        document = [document] if found is None else found
    if not isinstance(document, list):
        raise ListError("the list is JSON, and has no list of links")
    return [_entry(row, f"entry {number}") for number, row in enumerate(document, 1)]


def _entry(row: Any, where: str) -> Entry:
    if isinstance(row, str):
        return {"url": row}
    if not isinstance(row, dict):
        raise ListError(f"{where}: neither a URL nor an object with one")
    entry = {_KEYS.get(str(key).lower(), str(key)): value for key, value in row.items()}
    url = entry.get("url", entry.pop("Url", None))
    if not isinstance(url, str) or not url:
        raise ListError(f"{where}: it has no url")
    return entry | {"url": url}
