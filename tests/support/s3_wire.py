"""A wire to a real S3 server on which requests are refused, slowed and cut, as the test says.

Requests are passed on as they are signed, Host and all; what is not spoilt is the server's own answer.
"""

import contextlib
import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from tests.support.seaweedfs import SeaweedFS

_OWN: Final = frozenset({"connection", "transfer-encoding", "content-length", "date", "server"})
_BLOCK: Final = 1 << 16


@dataclass(frozen=True)
class Fault:
    """What becomes of a request. `status` and `code`: what it is answered with, unasked, and where the status is 200 of
    the objects that it asks to be deleted; `instead`: statuses of the
    server that are told as others; `pace`: bytes a second of the answer's body; `cut`: after so many of them.
    """

    status: int | None = None
    code: str = "InternalError"
    instead: tuple[int, int] | None = None
    pace: float | None = None
    cut: int | None = None


Chooses = Callable[[str, str], Fault | None]  # by method and path, the query with it


def nothing(method: str, path: str) -> Fault | None:
    """Spoil no request."""
    return None


class S3Wire:
    """Passes requests on to `server`, but for those that `faults` spoils; it may be set at any time."""

    def __init__(self, server: SeaweedFS, faults: Chooses = nothing) -> None:
        self.faults = faults
        self.asked: list[tuple[str, str]] = []
        self._server = server
        self._http = _Listening(("127.0.0.1", 0), self)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a program that is to speak S3 over this wire."""
        return self._server.environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._http.server_address[1]}"}

    @property
    def under(self) -> list[str]:
        """What a gateway is run under, so that it has them."""
        return ["env", *(f"{name}={value}" for name, value in self.environment.items())]

    @property
    def authority(self) -> str:
        """Where the server itself is."""
        return self._server.authority

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a slowed answer may last for minutes

    def __init__(self, address: tuple[str, int], wire: S3Wire) -> None:
        super().__init__(address, _Passing)
        self.wire = wire

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients leave."""


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listening

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def _pass(self) -> None:
        wire = self.server.wire
        wire.asked.append((self.command, self.path))
        fault = wire.faults(self.command, self.path) or Fault()
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault.status is not None:
            body = _error(fault.code) if fault.status != http.client.OK else _undeleted(sent, fault.code)
            self._answer(fault.status, {"Content-Type": "application/xml"}, body, Fault())
            return
        connection = http.client.HTTPConnection(wire.authority, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(sent)
            answer = connection.getresponse()
            told = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN}
            if self.command == "HEAD":
                told["Content-Length"] = answer.headers.get("Content-Length", "0")
            body = answer.read()
        status = answer.status
        if fault.instead is not None and status == fault.instead[0]:
            status, told["ETag"] = fault.instead[1], '"none"'
        self._answer(status, told, body, fault)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass  # noqa: N815 - http.server names them

    def _answer(self, status: int, fields: dict[str, str], body: bytes, fault: Fault) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        if "Content-Length" not in fields and status != http.client.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault.pace is not None:
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                time.sleep(1 / fault.pace)
        elif fault.cut is not None and fault.cut < len(body):
            self.wfile.write(body[: fault.cut])
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        else:
            for start in range(0, len(body), _BLOCK):
                self.wfile.write(body[start : start + _BLOCK])


def _undeleted(asked: bytes, code: str) -> bytes:
    """Return S3's answer to DeleteObjects where none of them may be deleted."""
    keys = re.findall(rb"<Key>(.*?)</Key>", asked)
    told = b"".join(
        b"<Error><Key>%s</Key><Code>%s</Code><Message>no</Message></Error>" % (key, code.encode()) for key in keys
    )
    return b'<?xml version="1.0" encoding="UTF-8"?><DeleteResult>' + told + b"</DeleteResult>"


def _error(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()
