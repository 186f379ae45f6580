"""Where HTTP/1.1 ends a head, and how much a body in chunks may have beside its bytes (RFC 9112); both ways alike."""

from typing import Final

MAX_FRAMING_BYTES: Final = 8 << 10  # around the bytes of a body in chunks, and of the trailers after it
FRAMING_FOR_A_BYTE: Final = 8  # chunks of single bytes have five for each


def head_end(data: bytes) -> int:
    """Return where the first head in `data` ends; 0: it has not. A single LF may end a line, too (RFC 9112 §2.2)."""
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
