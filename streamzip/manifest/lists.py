"""Lists of links as people have them, as entries for create. PURE.

Taken: plain lines (`url`, or `url<TAB>name`; what `gallery-dl -g` prints), aria2's input files (`out=` and `header=`
below a line), CSV with a `url` column, JSON (a list, create's body, or zipstreamer's descriptor), JSON lines, and
mod_zip's lists with whole URLs.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from streamzip.errors import NotJson, TooLarge
from streamzip.manifest.strict_json import read_json

Entry = dict[str, Any]

LONGEST_LINE = 64 << 10  # characters; a URL has at most 8,192
MOST_COLUMNS = 64
DEEPEST = 8  # JSON's levels
VALUES_PER_ENTRY = 8  # JSON's values, where there are as many entries as may be

_SIZE = re.compile(r"[0-9]{1,16}")
_MOD_ZIP = re.compile(r"([0-9a-fA-F]{1,8}|-) +([0-9]{1,16}) +(\S+) +(.+)")
_KEYS = {"zippath": "name", "filename": "name", "archive_name": "name", "out": "name", "link": "url"}


class ListError(ValueError):
    """A list that cannot be read; the message names the line."""


def parse(text: str, most: int) -> list[Entry]:
    """Return the list's entries, in their order, at most `most`. Raises ListError.

    Lines are read one by one, and reading stops at the first that is wrong or too many: what is refused costs no more
    than what is taken.
    """
    text = text.removeprefix("\ufeff")
    first = next((line for line in _lines(text[:LONGEST_LINE]) if line.strip()), "")
    if first.lstrip()[:1] in ("[", "{"):
        return _json(text, most)
    lines = _lines(text)
    if (dialect := _header(first)) is not None:
        return _bounded(_csv(lines, dialect), most)
    if _MOD_ZIP.fullmatch(first.strip()):
        return _bounded(_mod_zip(lines), most)
    return _bounded(_plain(lines), most)


def _lines(text: str) -> Iterator[str]:
    """Yield the lines without their ends. Raises ListError for one that is too long."""
    start, number = 0, 0
    while start <= len(text):
        end, number = text.find("\n", start), number + 1
        end = len(text) if end < 0 else end
        if end - start > LONGEST_LINE:
            raise ListError(f"line {number}: it is longer than {LONGEST_LINE:,} characters")
        yield text[start:end].rstrip("\r")
        start = end + 1


def _bounded(entries: Iterable[Entry], most: int) -> list[Entry]:
    taken = list(islice(entries, most + 1))
    if len(taken) > most:
        raise ListError(f"the list has more than {most:,} entries")
    return taken


def _plain(lines: Iterable[str]) -> Iterator[Entry]:
    entry: Entry = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith("| "):  # gallery-dl: another place of the link above, as aria2's mirrors are
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


def _csv(lines: Iterable[str], delimiter: str) -> Iterator[Entry]:
    import csv  # here: most lists are plain

    rows = csv.reader((line for line in lines if line.strip()), delimiter=delimiter)
    try:
        columns = [column.strip().lower() for column in next(rows)]
        if len(columns) > MOST_COLUMNS:
            raise ListError(f"row 1: it has more than {MOST_COLUMNS} columns")
        for number, row in enumerate(rows, 2):
            # Fields beyond the columns have no name.
            entry = _entry({name: value for name, value in zip(columns, row, strict=False) if value}, f"row {number}")
            if "size" in entry:
                if not _SIZE.fullmatch(entry["size"]):
                    raise ListError(f"row {number}: the size {entry['size'][:40]!r} is no number of bytes")
                entry["size"] = int(entry["size"])
            yield entry
    except csv.Error as error:
        raise ListError(f"row {rows.line_num}: {error}") from error


def _mod_zip(lines: Iterable[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _MOD_ZIP.fullmatch(line.strip())
        if row is None:
            raise ListError(f"line {number}: expected CRC, size, URL and name, parted by spaces")
        crc, size, location, name = row.groups()
        if location == "@directory":
            yield {"name": f"{name.rstrip('/')}/"}
            continue
        if "://" not in location:
            raise ListError(f"line {number}: {location} is a place on mod_zip's server; here it must be a whole URL")
        yield {"url": location, "name": name, "size": int(size)} | ({} if crc == "-" else {"crc32": crc.zfill(8)})


def _json(text: str, most: int) -> list[Entry]:
    try:
        document = _document(text, most)
    except ListError:
        if not _is_document(text[:LONGEST_LINE].lstrip().partition("\n")[0]):
            raise
        documents = ((number, line) for number, line in enumerate(_lines(text), 1) if line.strip())
        return _bounded((_entry(_document(line, 1), f"line {number}") for number, line in documents), most)
    if isinstance(document, dict):
        found = next((document[key] for key in ("entries", "files", "urls") if document.get(key)), None)
        document = [document] if found is None else found
    if not isinstance(document, list):
        raise ListError("the list is JSON, and has no list of links")
    return _bounded((_entry(row, f"entry {number}") for number, row in enumerate(document, 1)), most)


def _document(text: str, most: int) -> Any:
    """Return the value of a JSON text, within bounds. Raises ListError."""
    try:
        values = VALUES_PER_ENTRY * most + 100
        return read_json(text.encode(errors="replace"), max_depth=DEEPEST, max_values=values, max_bare=most + 100)
    except (NotJson, TooLarge) as problem:
        raise ListError(f"the list begins like JSON and is none: {problem.detail}") from problem


def _is_document(line: str) -> bool:
    try:
        _document(line, 1)
    except ListError:
        return False
    return True


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
