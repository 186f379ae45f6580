"""A client that breaks off and goes on as `curl -C -` does: with a Range, and nothing that says of which version."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx

from streamzip.spool.shelf import Shelf
from tests.support.gateway import Gateway


@contextmanager
def reading(gateway: Gateway, hash: str, count: int, fields: str = "") -> Iterator[bytes]:
    """The first `count` bytes of the archive; the client stays for as long as the context lasts."""
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=30)) as client:
        client.sendall(f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        received = bytearray()
        while b"\r\n\r\n" not in received or len(received) - received.index(b"\r\n\r\n") - 4 < count:
            block = client.recv(1 << 18)
            assert block, bytes(received[:600])
            received += block
        start = received.index(b"\r\n\r\n") + 4
        yield bytes(received[start : start + count])


def begin(gateway: Gateway, hash: str, count: int, fields: str = "") -> bytes:
    """The first `count` bytes of the archive, from a connection that is then closed."""
    with reading(gateway, hash, count, fields) as received:
        return received


def resume(gateway: Gateway, hash: str, start: int, stop: int | None = None) -> tuple[int, bytes]:
    """The status of a Range request, and as much of its body as came before it ended or was cut."""
    received = bytearray()
    wanted = {"Range": f"bytes={start}-{'' if stop is None else stop - 1}"}
    try:
        with gateway.client.stream("GET", f"/archive/get/{hash}.zip", headers=wanted) as response:
            for block in response.iter_raw():
                received += block
    except (httpx.RemoteProtocolError, httpx.ReadError):
        assert received or response.status_code == 206
    return response.status_code, bytes(received)


def is_stale(gateway: Gateway, hash: str) -> bool:
    """Whether GET, HEAD and a Range request all say 409, and the first and the last of them why."""
    path = f"/archive/get/{hash}.zip"
    answers = [gateway.get(hash), gateway.client.head(path), gateway.get(hash, {"Range": "bytes=0-0"})]
    codes = [answer.json()["code"] for answer in (answers[0], answers[2]) if answer.status_code == 409]
    return [answer.status_code for answer in answers] == [409] * 3 and codes == ["origin_changed"] * 2


def evict(gateway: Gateway, *hashes: str) -> None:
    """Remove the archives' copies as the shelf does, and come back."""
    gateway.stop()
    shelf = Shelf(gateway.data / "spool", budget=1)
    assert all(shelf.evict(hash) for hash in hashes)
    gateway.start()
