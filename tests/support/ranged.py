"""Asks a gateway for ranges of an archive over one kept connection, and holds the answers to the whole."""

import http.client
from collections.abc import Iterable
from contextlib import closing

from streamzip.spans import Span
from tests.support.gateway import Gateway


class Ranges:
    """One client; `close` it."""

    def __init__(self, gateway: Gateway) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def get(self, hash: str, span: Span, *, etag: str | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
        """The status, fields and body that the gateway gives for the span."""
        fields = {"Range": f"bytes={span.start}-{span.stop - 1}"} | ({} if etag is None else {"If-Range": etag})
        self._connection.request("GET", f"/archive/get/{hash}.zip", headers=fields)
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()

    def check(self, hash: str, spans: Iterable[Span], whole: bytes) -> None:
        """Every span of the archive must be answered 206, with the slice of the whole."""
        for span in spans:
            status, fields, body = self.get(hash, span)
            assert status == 206, (span, status, body[:300])
            assert fields["Content-Range"] == f"bytes {span.start}-{span.stop - 1}/{len(whole)}"
            assert body == whole[span.start : span.stop], f"{span} is not the slice of the whole"


def check_ranges(gateway: Gateway, hash: str, spans: Iterable[Span], whole: bytes) -> None:
    """`Ranges.check` over a connection of its own."""
    with closing(Ranges(gateway)) as client:
        client.check(hash, spans, whole)
