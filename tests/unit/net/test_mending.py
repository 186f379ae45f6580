"""Heads that no strict parser takes: what is forgiven, and what never is."""

import pytest

from streamzip.net.mending import mended

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (b"X Field : 1\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\n"),
        (b"no colon\r\nA: b\r\n", b"A: b\r\n"),
        (b": no name\nA: b\n", b"A: b\r\n"),
        (b"A: b\0c\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\n"),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\n"),
        (b"Content-Length: 5, 5\r\n", b"Content-Length: 5\r\n"),
        (b"Content-Length: 9\r\nTransfer-Encoding: Chunked\r\n", b"Transfer-Encoding: chunked\r\n"),
    ],
)
def test_head_is_mended_where_its_framing_stays_plain(lines: bytes, kept: bytes) -> None:
    """Malformed lines go, the same length twice is one, chunks win over a length; and the connection is not kept."""
    assert mended(OK + lines + b"\r\n") == OK + kept + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length : 5\r\n",
        b"Content Length: 5\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5, 6\r\n",
        b"Content-Length: 5,\r\n",
        b"Content-Length: 5\0\r\n",
        b"Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"A: b\r\n Transfer-Encoding: chunked\r\n",
    ],
)
def test_head_is_refused_where_its_framing_is_in_doubt(lines: bytes) -> None:
    """Two readers could see two ends of the body: that is how answers are smuggled."""
    assert mended(OK + lines + b"\r\n") is None
