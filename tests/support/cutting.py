"""A wire that breaks: between a client and a server, each of the first connections cut after so many bytes."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self


class Cutting:
    """Passes connections on to `port` of 127.0.0.1. The first ones end after `cuts` bytes of the answer, the later ones
    when they are done. `between(number)` is called after each cut, before the next connection is answered.

    A connection that asks for nothing is none of them: a browser opens some to have them ready.
    """

    def __init__(self, port: int, cuts: Iterable[int]) -> None:
        self._server = port
        self._cuts = list(cuts)
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.connections = 0
        self.port: int = self._listening.getsockname()[1]
        self.between: Callable[[int], None] = lambda number: None

    def url(self, hash: str) -> str:
        """The archive's, on this wire."""
        return f"http://127.0.0.1:{self.port}/archive/get/{hash}.zip"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(20)

    @property
    def cut(self) -> int:
        """How many connections have been cut, or are still to be."""
        return min(self.connections, len(self._cuts))

    def _start(self, target: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._start(self._pass, client)

    def _pass(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if not client.recv(1, socket.MSG_PEEK):
                return
            with self._lock:
                number = self.connections
                self.connections += 1
            self._pass_on(client, self._cuts[number] if number < len(self._cuts) else None, number)

    def _pass_on(self, client: socket.socket, limit: int | None, number: int) -> None:
        with socket.create_connection(("127.0.0.1", self._server)) as server:
            asking = self._start(_upstream, client, server)
            try:
                cut = _downstream(server, client, limit)
            finally:
                # A thread that waits in a socket would keep it open.
                client.shutdown(socket.SHUT_RD)
                asking.join(20)
            if cut:
                # A reset, as a wire that breaks is noticed at last.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.between(number)


def _downstream(server: socket.socket, client: socket.socket, limit: int | None) -> bool:
    """Pass the answer on, up to so many bytes; whether the limit was reached."""
    left = limit
    while block := server.recv(65536 if left is None else min(65536, left)):
        client.sendall(block)
        if left is not None:
            left -= len(block)
            if left == 0:
                return True
    return False


def _upstream(client: socket.socket, server: socket.socket) -> None:
    try:
        while block := client.recv(65536):
            server.sendall(block)
        server.shutdown(socket.SHUT_WR)
    except OSError:
        return
