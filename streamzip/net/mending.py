"""Heads that a strict parser refuses and every browser reads; no I/O.

Forgiven is what cannot move the end of a body: a malformed line that does not concern framing is dropped, the same
length twice is one, and where chunks and a length are both named the chunks win (RFC 9112 §6.3).
"""

import re

_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([^\0\r\n]*?)[\t ]*")
_FRAMING = re.compile(rb"content.?length|transfer.?encoding", re.IGNORECASE)
_CHUNKED = re.compile(rb"chunked", re.IGNORECASE)


def mended(head: bytes) -> bytes | None:
    """Return the head as a strict parser takes it, its connection not to be used again; None: it is beyond that."""
    status, *lines = head.split(b"\n")
    kept: list[bytes] = []
    lengths: set[bytes] = set()
    chunked = False
    for each in lines:
        line = each.rstrip(b"\r")
        field = _FIELD.fullmatch(line)
        if field is None:
            if _FRAMING.search(line):
                return None  # a smuggler's
            continue
        name, value = field[1].lower(), field[2]
        if name == b"content-length":
            lengths.update(each.strip() for each in value.split(b","))
        elif name == b"transfer-encoding":
            if chunked or not _CHUNKED.fullmatch(value):
                return None
            chunked = True
        elif name != b"connection":
            kept.append(b"%b: %b" % (field[1], value))
    if len(lengths) > 1 or not all(value.isdigit() for value in lengths):
        return None
    if chunked:
        kept.append(b"Transfer-Encoding: chunked")
    elif lengths:
        kept.append(b"Content-Length: " + lengths.pop())
    return b"\r\n".join([status.rstrip(b"\r"), *kept, b"Connection: close", b"", b""])
