"""A create's body, read and judged: JSON in, manifest out; every wrong field named by its JSON Pointer."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from streamzip.errors import FieldError, InvalidRequest, TooLarge
from streamzip.manifest import objects
from streamzip.manifest.fields import read_fields
from streamzip.manifest.model import Compression, Entry, Format, Manifest, OnError, OnHtml
from streamzip.manifest.names import clean_filename, name_from_url, tar_filename, unique_names
from streamzip.manifest.strict_json import Take, quoted, read_json
from streamzip.manifest.times import read_time
from streamzip.manifest.uploads import SCHEME, name_in
from streamzip.urls.addresses import Exempt
from streamzip.urls.urls import check_url

_Reader = Callable[[Any], Any]  # the value as the manifest has it; ValueError with a public sentence if it is wrong

_COMPRESSIONS: tuple[str, ...] = get_args(Compression)
_ON_ERROR: tuple[str, ...] = get_args(OnError)
_ON_HTML: tuple[str, ...] = get_args(OnHtml)
_FORMATS: tuple[str, ...] = get_args(Format)
_CHOSEN = ("filename", "compression", "on_error", "on_html", "format")

_VALUES_PER_ENTRY = 16  # seven members, the object, some header fields, and room to say what is wrong with one
_MAX_ID = 1024
_MAX_SIZE = 2**53 - 1  # RFC 7493: beyond it JSON's numbers differ from reader to reader
_MAX_LIFETIME = 100 * 366 * 86400
_MAX_TOTAL = 2**62  # of all sizes given, so that no offset in the archive passes 63 bits
_MAX_ERRORS = 100  # collected before giving up: enough to see what is wrong with a list

_CRC32 = re.compile(r"[0-9A-Fa-f]{8}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one create may ask for. Lengths in bytes of UTF-8, depth in levels of JSON."""

    max_entries: int
    max_url: int = 8192
    max_name: int = 65535
    max_depth: int = 32


@dataclass(frozen=True, slots=True)
class Rename:
    """An entry (counted from 0) that stands in the archive under another name than was asked for."""

    index: int
    requested: str
    name: str


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """An accepted create. `plain`: it came as `{"urls": [...]}`; `prefetch`: None where the client did not say.

    `webhook`: a URL to be told of the archive; `expires_in`: seconds from now on; `refresh`: as the origins are now.
    """

    manifest: Manifest
    renamed: tuple[Rename, ...]
    prefetch: bool | None
    plain: bool
    webhook: str | None = None
    expires_in: int | None = None
    refresh: bool = False


def parse_create(
    body: bytes | bytearray, limits: Limits, *, owner: str | None = None, allow: Exempt = frozenset()
) -> CreateRequest:
    """Return the request that `body` makes, a bytearray of which is emptied. `owner`: the API key's name; `allow`: see
    `check_url`.

    Raises `NotJson` (400), `InvalidRequest` (422) with at most a hundred wrong fields, `TooLarge` (413).
    """
    wrong_entries, errors = _Errors(), _Errors()
    takers = {"urls": _plain(limits, allow, wrong_entries), "entries": _full(limits, allow, wrong_entries)}
    document = read_json(
        body,
        max_depth=limits.max_depth,
        max_values=_most_values(limits),
        max_bare=limits.max_entries + 100,
        lists=takers,
    )
    if not isinstance(document, dict):
        raise InvalidRequest([FieldError("", 'an object is expected, such as {"urls": ["https://…"]}')])
    options = _members(document, "", _option_readers(limits, allow), errors)
    errors.raise_any()
    plain = "urls" in options
    if plain == ("entries" in options):
        raise InvalidRequest([FieldError("/urls", "either `urls` or `entries` is required, and not both")])
    wrong_entries.raise_any()
    wished: list[Entry] = options["urls" if plain else "entries"]
    if sum(entry.size or 0 for entry in wished) > _MAX_TOTAL:
        raise InvalidRequest([FieldError("/entries", f"the sizes add up to more than {_MAX_TOTAL} bytes")])
    entries, renamed = named(wished)
    chosen = {key: options[key] for key in _CHOSEN if key in options}
    if chosen.get("format") == "tar":
        if chosen.get("compression") == "deflate":
            raise InvalidRequest([FieldError("/compression", "a tar is not compressed; leave it out, or say store")])
        chosen["filename"] = tar_filename(chosen.get("filename", clean_filename("")))
    manifest = Manifest(entries=entries, owner=owner, **chosen)
    return CreateRequest(
        manifest,
        renamed,
        options.get("prefetch"),
        plain,
        options.get("webhook"),
        options.get("expires_in"),
        options.get("refresh", False),
    )


def parse_key_value(
    body: bytes | bytearray, limits: Limits, *, owner: str | None = None, allow: Exempt = frozenset()
) -> CreateRequest:
    """Return the request that a body in the key–value form makes: `{"filename", "url"}`, or a list of such objects.

    Parameters and errors as those of `parse_create`.
    """
    document = read_json(body, max_depth=limits.max_depth, max_values=_most_values(limits))
    errors = _Errors()
    readers: dict[str, _Reader] = {
        "filename": lambda value: _filled(_text(value, limits.max_name)),
        "url": lambda value: _url(value, limits, allow),
    }
    if isinstance(document, list):
        rows = [(f"/{index}", row) for index, row in enumerate(_counted(document, limits, errors))]
    else:
        rows = [("", document)]
    wished = []
    for pointer, row in rows:
        fields = _required(row, pointer, readers, errors)
        if fields is not None:
            wished.append(Entry(fields["url"], fields["filename"]))
    errors.raise_any()
    entries, renamed = named(wished)
    return CreateRequest(Manifest(entries=entries, owner=owner), renamed, prefetch=None, plain=False)


def parse_page(body: bytes | bytearray, limits: Limits, *, allow: Exempt = frozenset()) -> str:
    """Return the URL of the web page in `{"url"}`. Parameters and errors as those of `parse_create`."""
    document = read_json(body, max_depth=limits.max_depth, max_values=100)
    errors = _Errors()
    fields = _required(document, "", {"url": lambda value: _url(value, limits, allow)}, errors)
    errors.raise_any()
    return str((fields or {})["url"])


class _BadValueError(ValueError):
    """A value that may not stand, in a public sentence."""


class _Errors:
    """The wrong fields found so far."""

    def __init__(self) -> None:
        self._found: list[FieldError] = []

    def add(self, pointer: str, detail: str) -> None:
        """Keep one more; raise them all when there are enough."""
        self._found.append(FieldError(pointer, detail))
        if len(self._found) == _MAX_ERRORS:
            self.raise_any()

    def raise_any(self) -> None:
        """Raise `InvalidRequest` if any field was wrong."""
        if self._found:
            raise InvalidRequest(self._found)


def _most_values(limits: Limits) -> int:
    return _VALUES_PER_ENTRY * limits.max_entries + 100


def _plain(limits: Limits, allow: Exempt, errors: _Errors) -> Take:
    """Return what makes an entry of each of `urls`; None where it is wrong."""

    def take(index: int, value: Any) -> Entry | None:
        check_count(index, limits)
        try:
            url = _file_url(value, limits, allow)
        except ValueError as error:
            errors.add(f"/urls/{index}", str(error))
            return None
        return Entry(url, name_from_url(url), named=url.startswith(SCHEME))

    return take


def _full(limits: Limits, allow: Exempt, errors: _Errors) -> Take:
    """Return what makes an entry of each of `entries`; None where it is wrong."""
    readers = _entry_readers(limits, allow)

    def take(index: int, row: Any) -> Entry | None:
        check_count(index, limits)
        pointer = f"/entries/{index}"
        if not isinstance(row, dict):
            errors.add(pointer, "an object is expected, with at least a `url`")
            return None
        fields = _members(row, pointer, readers, errors)
        if "headers" in fields and not fields.get("url", "http").lower().startswith("http"):
            errors.add(f"{pointer}/headers", "header fields go with http and https URLs alone")
        if "url" not in fields:
            if row.get("url") is None and not _is_folder(fields):
                errors.add(f"{pointer}/url", "the file's URL is required; an empty folder has a `name/` and no more")
            return Entry("", **fields) if _is_folder(fields) else None
        if "name" not in fields:
            fields["name"], fields["named"] = name_from_url(fields["url"]), fields["url"].startswith(SCHEME)
        return Entry(**fields)

    return take


def _is_folder(fields: Mapping[str, Any]) -> bool:
    return fields.keys() <= {"name", "mtime"} and fields.get("name", "").endswith("/")


def check_count(index: int, limits: Limits) -> None:
    """Raise TooLarge for an entry, counted from 0, that is one too many."""
    if index >= limits.max_entries:
        raise TooLarge(f"more entries than this gateway takes: at most {limits.max_entries} in one archive")


def named(wished: list[Entry]) -> tuple[tuple[Entry, ...], tuple[Rename, ...]]:
    """Return the entries under names that may stand in one archive, and which were asked for under other ones."""
    names = unique_names([each.name for each in wished], [at for at, each in enumerate(wished) if each.is_folder])
    renamed = []
    for index, (entry, name) in enumerate(zip(tuple(wished), names, strict=True)):
        if name != entry.name:
            renamed.append(Rename(index, entry.name, name))
            wished[index] = replace(entry, name=name)
    return tuple(wished), tuple(renamed)


def _members(row: dict[str, Any], pointer: str, readers: Mapping[str, _Reader], errors: _Errors) -> dict[str, Any]:
    """Return the values of one object as their readers give them; null is as good as absent."""
    values = {}
    for key, value in row.items():
        reader = readers.get(key)
        if reader is None:
            errors.add(f"{pointer}/{_escaped(key)}", _unknown(key, readers))
        elif value is not None:
            try:
                values[key] = reader(value)
            except ValueError as error:
                errors.add(f"{pointer}/{key}", str(error))
    return values


def _required(row: Any, pointer: str, readers: Mapping[str, _Reader], errors: _Errors) -> dict[str, Any] | None:
    """Return the values of an object whose keys are all required; None, and errors, where one is missing or wrong."""
    if not isinstance(row, dict):
        wanted = ", ".join(f'"{key}": "…"' for key in readers)
        errors.add(pointer, f"an object is expected, such as {{{wanted}}}")
        return None
    fields = _members(row, pointer, readers, errors)
    for key in readers:
        if row.get(key) is None:
            errors.add(f"{pointer}/{key}", f"`{key}` is required")
    return fields if len(fields) == len(readers) else None


def _counted(rows: list[Any], limits: Limits, errors: _Errors) -> list[Any]:
    try:
        return _rows(rows, limits)
    except _BadValueError as error:
        errors.add("", str(error))
        return []


def _escaped(key: str) -> str:
    return key[:60].encode(errors="backslashreplace").decode().replace("~", "~0").replace("/", "~1")


def _unknown(key: str, readers: Mapping[str, _Reader]) -> str:
    nearest = difflib.get_close_matches(key[:60], readers, n=1)
    hint = f"did you mean `{nearest[0]}`?" if nearest else f"known are {', '.join(readers)}"
    return f"the key {quoted(key)} is unknown; {hint}"


def _option_readers(limits: Limits, allow: Exempt) -> dict[str, _Reader]:
    return {
        "urls": lambda value: _rows(value, limits),
        "entries": lambda value: _rows(value, limits),
        "filename": lambda value: clean_filename(_text(value, limits.max_name)),
        "compression": lambda value: _one_of(_COMPRESSIONS, value),
        "on_error": lambda value: _one_of(_ON_ERROR, value),
        "on_html": lambda value: _one_of(_ON_HTML, value),
        "format": lambda value: _one_of(_FORMATS, value),
        "prefetch": _flag,
        "refresh": _flag,
        "webhook": lambda value: _url(value, limits, allow),
        "expires_in": _lifetime,
    }


def _entry_readers(limits: Limits, allow: Exempt) -> dict[str, _Reader]:
    return {
        "url": lambda value: _file_url(value, limits, allow),
        "id": _id,
        "name": lambda value: _text(value, limits.max_name),
        "size": _size,
        "crc32": _crc32,
        "mtime": read_time,
        "headers": read_fields,
        **dict.fromkeys(("probe", "decode"), _flag),
        "on_html": lambda value: _one_of(_ON_HTML, value),
    }


def _rows(value: Any, limits: Limits) -> list[Any]:
    if not isinstance(value, list):
        raise _BadValueError("a list is expected")
    if not value:
        raise _BadValueError("the list is empty")
    check_count(len(value) - 1, limits)
    return value


def _url(value: Any, limits: Limits, allow: Exempt) -> str:
    if not isinstance(value, str):
        raise _BadValueError("a URL as a string is expected")
    if len(value) > limits.max_url or (not value.isascii() and len(value.encode(errors="replace")) > limits.max_url):
        raise _BadValueError(f"the URL is longer than {limits.max_url} bytes")
    check_url(value, allow)
    return value


def _file_url(value: Any, limits: Limits, allow: Exempt) -> str:
    """Return the URL of an entry's file: on the web, `upload:NAME`, or an object of a bucket."""
    if isinstance(value, str) and value.startswith((SCHEME, *objects.SCHEMES)):
        (name_in if value.startswith(SCHEME) else objects.object_in)(_text(value, limits.max_url))
        return value
    return _url(value, limits, allow)


def _text(value: Any, room: int) -> str:
    if not isinstance(value, str):
        raise _BadValueError("a string is expected")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise _BadValueError("the text holds half of a surrogate pair, which is no character") from error
    if size > room:
        raise _BadValueError(f"the text is longer than {room} bytes")
    return value


def _filled(text: str) -> str:
    if not text:
        raise _BadValueError("the text is empty")
    return text


def _id(value: Any) -> str:
    text = _text(value, _MAX_ID)
    if not text or not text.isprintable():
        raise _BadValueError("an id is not empty and holds printable characters only")
    return text


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_SIZE:
        raise _BadValueError("a whole number of bytes is expected, from 0 to 2^53 - 1")
    return value


def _crc32(value: Any) -> int:
    if not isinstance(value, str) or not _CRC32.fullmatch(value):
        raise _BadValueError('a CRC-32 is a string of 8 hex digits, such as "0a1b2c3d"')
    return int(value, 16)


def _one_of(known: tuple[str, ...], value: Any) -> str:
    if value not in known:
        raise _BadValueError(f"one of {', '.join(known)} is expected")
    return str(value)


def _lifetime(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= _MAX_LIFETIME:
        raise _BadValueError(f"a whole number of seconds is expected, from 1 to {_MAX_LIFETIME}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _BadValueError("true or false is expected")
    return value
