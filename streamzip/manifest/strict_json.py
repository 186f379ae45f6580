"""JSON as RFC 8259 has it and no further, read within bounds. What Python's parser allows beyond it is refused."""

import json
import re
from collections.abc import Callable, Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]  # the module's own, in C; typeshed leaves it out
from typing import Any, NoReturn

from streamzip.errors import NotJson, TooLarge

_MARKS = b'"[]{},'
_REST = bytes(set(range(256)) - set(_MARKS))
_AS_ROUND = bytes.maketrans(b"[{]}", b"(())")
_WINDOW = 65536
_IN_BRACKETS = 16
_MOST_DIGITS = 400  # as many digits as a float has


_BLANKS = re.compile(r"[ \t\n\r]*")

Take = Callable[[int, Any], Any]  # an element of a list, and its index: what stands in the list instead


def read_json(
    body: bytes | bytearray,
    *,
    max_depth: int,
    max_values: int,
    max_bare: int | None = None,
    lists: Mapping[str, Take] | None = None,
) -> Any:
    """Return the value that `body` holds; a bytearray is emptied on the way, as body and value may be large.

    `lists`: what is made of each element of the lists under these keys of the outermost object, as it is read: a
    million entries as dictionaries would take 300 MB more than what is made of them. What that raises is raised, even
    where the rest is not JSON.

    Raises `NotJson` for what is not UTF-8 or not JSON: a byte order mark, NaN, a key twice in one object, nesting
    deeper than `max_depth`. Raises `TooLarge`, before anything is built, for more than `max_values` values, and for
    more than `max_bare` beside 16 for each object or list.
    """
    # Twice as many: each bracket that opens has one that closes, or the parser stops where it has not.
    marks = _structure(body, 2 * max_values)
    if _is_deeper(marks, max_depth):
        raise NotJson(f"The JSON is nested deeper than {max_depth} levels")
    commas, brackets = marks.count(b","), marks.count(b"(")
    if max_bare is not None and commas > max_bare + _IN_BRACKETS * brackets:
        raise TooLarge(f"The body holds more than {max_bare} bare values")
    if commas + brackets > max_values:
        raise TooLarge(f"The body holds more than {max_values} JSON values")
    try:
        text = body.decode()
        if isinstance(body, bytearray):
            body.clear()
        return _Parser(text).document(lists or {})
    except UnicodeDecodeError as error:
        raise NotJson(f"The body is not UTF-8 (at byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise NotJson(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except ValueError as error:
        raise NotJson("A number in the JSON has too many digits") from error


def read_lists(text: str, lists: Mapping[str, Take]) -> Any:
    """Return the value that `text` of the gateway's own holds, `lists` as in `read_json`. Raises NotJson,
    ValueError.
    """
    return _Parser(text).document(lists)


def quoted(text: str) -> str:
    """Text from a request as it may stand in a public sentence: in quotes, ASCII, at most 60 characters of it."""
    return json.dumps(text[:60]) + ("…" if len(text) > 60 else "")


def _structure(body: bytes | bytearray, enough: int) -> bytes:
    """Return the commas and brackets outside of strings, all brackets as round ones; at least `enough` of them, if
    there are.

    Ten thousand entries take 3 ms this way. Two quotes with nothing between them may go wherever they stand: what
    follows is inside or outside a string as before. So between two strings that remain there is a mark to be counted,
    and a hostile body is left early. (A regular expression over all of it took 5 GB and 19 s for 60 million escapes.)
    """
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    marks = unescaped.translate(None, _REST).replace(b'""', b"")
    outside = bytearray()
    inside = 0
    for start in range(0, len(marks), _WINDOW):
        runs = marks[start : start + _WINDOW].split(b'"')
        outside += b"".join(runs[inside::2])
        inside ^= (len(runs) - 1) & 1
        if len(outside) > enough:
            break
    return bytes(outside).translate(_AS_ROUND)


def _is_deeper(marks: bytes, max_depth: int) -> bool:
    brackets = marks.translate(None, b",")
    for _ in range(max_depth):  # each step takes away the innermost level
        brackets = brackets.replace(b"()", b"")
    # What remains is deeper, or has no partner: the brackets never closed lie in each other.
    return b"()" in brackets or brackets.count(b"(") > max_depth


class _Parser:
    """Python's parser, one step apart: the outermost object and its lists are walked here, all else is left to it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_int)

    def document(self, lists: Mapping[str, Take]) -> Any:
        """Return the whole text's value."""
        if self._text.startswith("\ufeff"):
            raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", self._text, 0)
        position = self._at(0)
        if not lists or self._text[position : position + 1] != "{":
            return self._decoder.decode(self._text)
        pairs: list[tuple[str, Any]] = []
        position = self._at(position + 1)
        more = self._text[position : position + 1] != "}"
        while more:
            if self._text[position : position + 1] != '"':
                raise self._expected("property name enclosed in double quotes", position)
            key, position = scanstring(self._text, position + 1, True)
            position = self._at(position)
            if self._text[position : position + 1] != ":":
                raise self._expected("':' delimiter", position)
            position = self._at(position + 1)
            if key in lists and self._text[position : position + 1] == "[":
                value, position = self._list(position + 1, lists[key])
            else:
                value, position = self._value(position)
            pairs.append((key, value))
            more, position = self._goes_on(position, "}")
        end = self._at(position + 1)
        if end != len(self._text):
            raise json.JSONDecodeError("Extra data", self._text, end)
        return _object(pairs)

    def _list(self, position: int, take: Take) -> tuple[list[Any], int]:
        taken: list[Any] = []
        position = self._at(position)
        more = self._text[position : position + 1] != "]"
        while more:
            value, position = self._value(position)
            taken.append(take(len(taken), value))
            more, position = self._goes_on(position, "]")
        return taken, position + 1

    def _goes_on(self, position: int, end: str) -> tuple[bool, int]:
        """Behind a value: whether another one follows, and where; else where the end stands."""
        position = self._at(position)
        mark = self._text[position : position + 1]
        if mark == end:
            return False, position
        if mark != ",":
            raise self._expected("',' delimiter", position)
        return True, self._at(position + 1)

    def _value(self, position: int) -> tuple[Any, int]:
        try:
            value, end = self._decoder.scan_once(self._text, position)  # type: ignore[attr-defined]
        except StopIteration as error:
            raise self._expected("value", error.value) from None
        return value, end

    def _at(self, position: int) -> int:
        """Return where the blanks end."""
        match = _BLANKS.match(self._text, position)
        return position if match is None else match.end()

    def _expected(self, what: str, position: int) -> json.JSONDecodeError:
        return json.JSONDecodeError(f"Expecting {what}", self._text, position)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise NotJson(f"The key {quoted(twice)} stands twice in one object")
    return members


def _int(digits: str) -> int:
    """Return a whole number. Of thousands of digits each costs the square: a body of them held everybody up."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _refuse_constant(word: str) -> NoReturn:
    raise NotJson(f"{word} is not JSON")
