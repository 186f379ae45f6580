"""What a connection is told of bytes that are no request, or too large a one (RFC 9110 §15.5, §15.6.2)."""

import sys
from typing import Final

MOST_HEAD: Final = 64 << 10  # bytes of a request's head; servers commonly take 8 to 16 KiB
MOST_TARGET: Final = 8 << 10  # bytes; as many as servers are asked to take (RFC 9112 §3), and few are longer

_TOLD: Final = {
    414: (b"414 URI Too Long", b"The request's target is too long."),
    431: (b"431 Request Header Fields Too Large", b"The request's header is too large."),
    501: (b"501 Not Implemented", b"No such method or transfer coding is known here."),
}


def refusal_status(head: int, target: int) -> int:
    """Return the status for a head of so many bytes, with a target of so many. Asked while the parser's error is
    handled.
    """
    if target > MOST_TARGET:
        return 414
    if head > MOST_HEAD:
        return 431
    # By its name: that the parser is httptools' is uvicorn's own affair.
    return 501 if type(sys.exception()).__name__ == "HttpParserInvalidMethodError" else 400


def refusal(status: int) -> bytes | None:
    """Return the whole answer; None for the plain 400."""
    if status not in _TOLD:
        return None
    line, content = _TOLD[status]
    return (
        b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\n"
        b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (line, len(content), content)
    )
