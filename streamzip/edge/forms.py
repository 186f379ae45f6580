"""A multipart/form-data body (RFC 7578), read as it comes, for the one file in it; nothing of it is kept."""

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from streamzip.errors import BadForm, FieldError, InvalidRequest
from streamzip.manifest.dispositions import filename, parameters

_WINDOW = 16 << 10  # bytes of a text whose escapes are undone at once

FIELD = "file"
MOST_PARTS = 32  # each costs as much as kilobytes of a file
_DASHES = b"\r\n--"  # what may be a boundary costs two microseconds
_AT_ONCE = 64  # of them in what is read at once
_PIECE = 4 << 10  # bytes of what has more of them

LONGEST_FIELD = 256  # bytes of another field that are kept; more of it is read over


def urlencoded(body: bytes | bytearray, most: int) -> dict[str, list[str]]:
    """Return the fields of an application/x-www-form-urlencoded body, each with its values in their order.

    `most`: pairs that it may have. Python's own parser makes some 80 bytes of every escape, gigabytes of a form that is
    nothing else. Raises BadForm.
    """
    if body.count(b"&") >= most:
        raise BadForm("the form has more fields than it may")
    fields: dict[str, list[str]] = {}
    for pair in body.split(b"&"):
        name, _, value = pair.partition(b"=")
        if pair:
            fields.setdefault(_unquoted(name), []).append(_unquoted(value))
    return fields


def _unquoted(text: bytes | bytearray) -> str:
    decoded, at = bytearray(), 0
    while at < len(text):
        end = at + _WINDOW
        cut = text.find(b"%", max(at, end - 2), end)  # an escape is not parted
        end = end if cut <= at else cut
        decoded += unquote_to_bytes(bytes(text[at:end]).replace(b"+", b" "))
        at = end
    try:
        return decoded.decode()
    except UnicodeDecodeError as error:
        raise BadForm("the form cannot be read: it is not UTF-8") from error


def pieces(chunk: bytes) -> Iterator[bytes]:
    """Yield the chunk in pieces that the parser reads in a millisecond each: a body may be nothing but what looks like
    boundaries.
    """
    size = max(1, len(chunk)) if chunk.count(_DASHES) <= _AT_ONCE else _PIECE
    for at in range(0, len(chunk), size):
        yield chunk[at : at + size]


class FileForm:
    """`feed` it the body's chunks, then `finish`. `fields`: the others that have come before the file, where they are
    short.
    """

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise BadForm("send the file as multipart/form-data, or as the body of POST /upload/{name}")
        self._events: list[str | bytes] = []
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._name = ""
        self._value = bytearray()
        self.fields: dict[str, str] = {}
        self._parts = 0
        self._is_file = False
        self._seen = False
        self._ended = False
        try:
            self._parser = MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise BadForm("the form's boundary cannot be used") from error

    def feed(self, chunk: bytes) -> Iterator[str | bytes]:
        """Yield what the chunk brought: the file's name, once, and then its bytes. Raises BadForm, InvalidRequest."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise BadForm("the form cannot be read: it is not multipart/form-data as RFC 7578 has it") from error
        events, self._events = self._events, []
        yield from events

    def finish(self) -> None:
        """Raise BadForm unless the form has come to its end, InvalidRequest if it had no file."""
        if not self._ended:
            raise BadForm("the form ended before its last boundary: not all of it has come")
        if not self._seen:
            raise InvalidRequest([FieldError(f"/{FIELD}", "the form has no file; choose a file")])

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise BadForm(f"the form has more than {MOST_PARTS} parts")
        self._header, self._disposition, self._is_file = (bytearray(), bytearray()), b"", False
        self._name, self._value = "", bytearray()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = (bytearray(), bytearray())

    def _on_headers_finished(self) -> None:
        options = parameters(self._disposition.decode(errors="replace"))
        self._name = options.get("name", "")
        if self._name != FIELD:
            return
        name = filename(options)
        if name is None:
            raise InvalidRequest([FieldError(f"/{FIELD}", "a file is expected, with its name; choose a file")])
        if self._seen:
            raise InvalidRequest([FieldError(f"/{FIELD}", "send one file at a time")])
        self._seen = self._is_file = True
        self._events.append(name)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._events.append(data[start:end])
        elif len(self._value) <= LONGEST_FIELD:
            self._value += data[start:end]

    def _on_part_end(self) -> None:
        if not self._is_file and not self._seen and len(self._value) <= LONGEST_FIELD and len(self.fields) < 16:
            self.fields[self._name] = self._value.decode(errors="replace")

    def _on_end(self) -> None:
        self._ended = True
