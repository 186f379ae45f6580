"""No bytes behind a request whose end others may see elsewhere are a request: the connection ends with its answer."""

import contextlib

import pytest

from tests.security.test_requests_sent_ahead import connected, received
from tests.support.gateway import Gateway

HIDDEN = b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\n"
POST = b"POST /healthz HTTP/1.1\r\nHost: a\r\n"
UPGRADE = b"Host: a\r\nConnection: upgrade\r\nUpgrade: %b\r\n"


ENDING = {
    "upgrade": GET + UPGRADE % b"websocket" + b"\r\n",
    "upgrade to what is not known": GET + UPGRADE % b"x" + b"\r\n",
    "upgrade to HTTP/2": GET + UPGRADE % b"h2c" + b"HTTP2-Settings: \r\n\r\n",
    "upgrade with a body": GET + UPGRADE % b"x" + b"Content-Length: 2\r\n\r\nhi",
    "upgrade with a body in chunks": b"GET /healthz HTTP/1.1\r\n"
    + UPGRADE % b"x"
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "upgrade of a create": b"POST /api/archive/create HTTP/1.1\r\n" + UPGRADE % b"x" + b"Content-Length: 2\r\n\r\n{}",
    "tunnel": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    "tunnel with a body": b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
    "older version": b"GET /healthz HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "older version in chunks": b"GET /healthz HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "oldest version": b"GET /healthz HTTP/0.9\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "newer version": b"GET /healthz HTTP/2.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "both framings": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both framings, turned": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN),
    "same length twice": POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "list of lengths": POST + b"Content-Length: 0, 0\r\n\r\n",
    "signed length": POST + b"Content-Length: +0\r\n\r\n",
    "length past 64 bits": POST + b"Content-Length: 18446744073709551616\r\n\r\n",
    "coding that is not the last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "coding before the chunks": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding that is unknown": POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "coding twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "blank before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded framing": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "size of a chunk with a sign": POST + b"Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
    "size of a chunk past 64 bits": POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
    "chunk longer than said": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
    "lone CR in a field": POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "NUL in a field": POST + b"X: y\x00\r\n\r\n",
}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (b"Transfer-Encoding: gzip, chunked", 501),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
        (b"Transfer-Encoding: chunked, chunked", 400),
        (b"Transfer-Encoding: gzip", 400),
        (b"Transfer-Encoding: Chunked", 422),  # which is understood
    ],
)
def test_body_in_a_coding_that_is_not_understood_is_refused(gateway: Gateway, fields: bytes, status: int) -> None:
    """RFC 9112 §6.1: 501, where the last coding is `chunked` as it must be. It is not taken for what is within."""
    created = b"POST /api/archive/create HTTP/1.1\r\nHost: a\r\n" + fields
    with connected(gateway, created + b"\r\n\r\n2\r\n[]\r\n0\r\n\r\n") as client:
        answer = client.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer


@pytest.mark.parametrize("name", ENDING)
def test_nothing_follows_a_request_whose_end_is_in_doubt(gateway: Gateway, name: str) -> None:
    """What comes behind it may be another protocol, or its body to a proxy in front: it is not answered."""
    with connected(gateway, ENDING[name] + HIDDEN) as client:
        at_once = received(client)
    with connected(gateway, ENDING[name]) as client:
        later = client.recv(1 << 16)
        with contextlib.suppress(ConnectionError):
            client.sendall(HIDDEN)
        later += received(client)
    for answer in (at_once, later):
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in answer.lower()
