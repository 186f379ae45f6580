"""The head of an answer, and a body in chunks, as llhttp reads them (RFC 9112 §2 to §7); no I/O."""

from typing import Final

import httptools

from streamzip.framing import Framing
from streamzip.spans import Data

MAX_HEAD_BYTES: Final = 64 << 10
MAX_HEAD_FIELDS: Final = 200


class Unusable(Exception):
    """What came is no answer that can be used."""


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
