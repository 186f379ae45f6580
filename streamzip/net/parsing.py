"""The head of an answer, and a body in chunks, as llhttp reads them (RFC 9112 §2 to §7); no I/O."""

from typing import Final

import httptools

from streamzip.spans import Data

MAX_HEAD_BYTES: Final = 64 << 10
MAX_HEAD_FIELDS: Final = 200
MAX_FRAMING_BYTES: Final = 8 << 10  # around the bytes of a body in chunks, and of the trailers after it
FRAMING_FOR_A_BYTE: Final = 8  # chunks of single bytes have five for each


class Unusable(Exception):
    """What came is no answer that can be used."""


def head_end(data: bytes) -> int:
    """Where the first head in `data` ends; 0: it has not. A single LF may end a line, too (RFC 9112 §2.2)."""
    end = data.find(b"\n\r\n")
    bare = data.find(b"\n\n", 0, end if end >= 0 else len(data))
    return bare + 2 if bare >= 0 else end + 3 if end >= 0 else 0


class Framing:
    """Counts what a body in chunks has beside its bytes: sizes, extensions, trailers (RFC 9112 §7.1).

    None of them has a length of its own, and llhttp keeps a trailer until it is whole. What may come beside the bytes
    is FRAMING_FOR_A_BYTE for each, and MAX_FRAMING_BYTES in addition.
    """

    def __init__(self) -> None:
        self._excess = 0
        self._trailers = 0

    def read(self, fed: int, body: int) -> bool:
        """Count `fed` bytes, of which `body` were the body's. Return whether they are within the bound."""
        self._excess = max(0, self._excess + fed - body - FRAMING_FOR_A_BYTE * body)
        return self._excess <= MAX_FRAMING_BYTES

    def trailer(self, name: bytes, value: bytes) -> bool:
        """Count a trailer field. Return whether all of them are within the bound."""
        self._trailers += len(name) + len(value) + 4
        return self._trailers <= MAX_FRAMING_BYTES


class Parser:
    """llhttp, fed with one head, and with the body after it where that comes in chunks.

    Its object and this one hold each other, some twenty objects that only the collector would find: so this one lets go
    of it as soon as there is nothing left to read.
    """

    def __init__(self) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.length: int | None = None
        self.chunked = False
        self.keeps_alive = False
        self.whole = False
        self.surplus = False  # bytes after the body that nobody asked for
        self.broken: httptools.HttpParserError | Unusable | None = None  # what ended a body in chunks before its end
        self._in_body = False
        self._framing = Framing()
        self._chunks: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        # What browsers forgive, too: none of these can move the end of a body.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )

    def head(self, head: memoryview) -> None:
        """Read a whole head. Raises httptools' errors or Unusable where it is none."""
        try:
            self._parser.feed_data(head)
            if self.status < 100:  # empty lines are a head's end, and no head
                raise Unusable
        finally:
            if not self.chunked:
                del self._parser

    def chunks(self, data: Data) -> bytes:
        """Return what of the body is in the next bytes, in one piece: an origin chooses how small its chunks are.

        `whole`, `broken` and `surplus` tell how it stands.
        """
        self._chunks = []
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.whole:
                self.surplus = True
            else:
                self.broken = error.with_traceback(None)  # which would hold this frame, and with it this object
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        if not self.whole and self.broken is None and not self._framing.read(len(data), len(body)):
            self.broken = Unusable()
        if self.whole or self.broken is not None:
            del self._parser
        return body

    # -- called by the parser ----------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:  # a trailer
            if not self._framing.trailer(name, value):
                raise Unusable
            return
        if len(self.fields) >= MAX_HEAD_FIELDS:
            raise Unusable
        name = name.lower()
        self.fields.append((name, value))
        if name == b"content-length":
            self.length = int(value)
        elif name == b"transfer-encoding":
            self.chunked = True

    def on_headers_complete(self) -> None:
        self._in_body = True
        self.status = self._parser.get_status_code()
        self.keeps_alive = self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if not self.whole:
            self._chunks.append(data)

    def on_message_complete(self) -> None:
        self.whole = True

    def on_message_begin(self) -> None:
        self.surplus = self.whole
