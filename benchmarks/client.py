"""The client: one thread that reads a response and drops it, cheaply, so that the gateway is what is measured."""

import json
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_BUFFER = 1 << 20
_SILENCE = 120.0


@dataclass(frozen=True, slots=True)
class Taken:
    """One response, read to its end. Seconds are counted from the request."""

    first_byte: float
    wall: float
    size: int  # bytes of the body, its chunks' framing included


class Client:
    """One connection, kept open from request to request."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), _SILENCE)
        self._buffer = memoryview(bytearray(_BUFFER))

    def get(self, target: str, fields: str = "") -> Taken:
        """GET a path; the body is counted and dropped. Raises OSError where the answer is no 2xx or is cut."""
        began = time.perf_counter()
        self._socket.sendall(f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\n{fields}\r\n".encode())
        head, body = self._head()
        size, first_byte = len(body), time.perf_counter() - began if body else 0.0
        length = head.get("content-length")
        tail = bytes(body[-5:])
        while (size < int(length)) if length is not None else tail != b"0\r\n\r\n":
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise OSError(f"{target} was cut after {size} bytes")
            first_byte = first_byte or time.perf_counter() - began
            size += count
            tail = (tail + self._buffer[max(0, count - 5) : count])[-5:]
        return Taken(first_byte, time.perf_counter() - began, size)

    def _head(self) -> tuple[dict[str, str], bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            block = self._socket.recv(65536)
            if not block:
                raise OSError("the server hung up")
            received += block
        head, _, body = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        if status.split()[1][0] != "2":
            raise OSError(f"{status}: {body[:300]!r}")
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}, body

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def get(url: str, fields: str = "") -> Taken:
    """One GET on a connection of its own; connecting counts."""
    began = time.perf_counter()
    client = Client(url)
    try:
        connected = time.perf_counter() - began
        taken = client.get(urlsplit(url)._replace(scheme="", netloc="").geturl(), fields)
        return Taken(taken.first_byte + connected, taken.wall + connected, taken.size)
    finally:
        client.close()


def ask(method: str, url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Status and JSON of a small exchange."""
    from http.client import HTTPConnection

    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=_SILENCE)
    try:
        payload = None if body is None else json.dumps(body).encode()
        connection.request(method, parts._replace(scheme="", netloc="").geturl(), payload, headers or {})
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None
    finally:
        connection.close()
