"""Readers of one archive at their own speeds, each byte compared with the archive's as it comes."""

import selectors
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

TICK = 0.02  # seconds


def ask(port: int, hash: str) -> socket.socket:
    """A connection that has asked for the archive, and takes little unread."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    return client


@dataclass(frozen=True)
class Taken:
    """How long a reader took, in seconds from its start."""

    first_byte: float
    seconds: float


def read(port: int, hash: str, whole: Path, count: int) -> list[Taken]:
    """So many readers at once, each in a process of its own and as fast as it can be; every byte is that of `whole`."""
    url = f"http://127.0.0.1:{port}/archive/get/{hash}.zip"
    command = (
        f"set -o pipefail; curl -sSf -w '%{{stderr}}%{{time_starttransfer}} %{{time_total}}' {url} | cmp - {whole}"
    )
    running = [
        subprocess.Popen(["bash", "-c", command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    taken = []
    for process in running:
        said, figures = process.communicate(timeout=300)
        assert process.returncode == 0, said + figures
        taken.append(Taken(*map(float, figures.split())))
    return taken


@dataclass
class Taking:
    """What one slow reader has taken so far."""

    whole: memoryview
    head: bytes = b""
    at: int = 0

    def take(self, block: memoryview) -> None:
        """The next bytes; AssertionError where they are not the archive's."""
        if not self.head.endswith(b"\r\n\r\n"):
            head, end, body = (self.head + bytes(block)).partition(b"\r\n\r\n")
            self.head = head + end
            block = memoryview(body)
        assert block == self.whole[self.at : self.at + len(block)], f"other bytes at {self.at}"
        self.at += len(block)


@dataclass
class Crowd:
    """`count` slow readers in a thread of their own, each taking `rate` bytes a second until they are told to hurry.

    `finish` waits until all of them have everything.
    """

    port: int
    hash: str
    whole: bytes
    count: int
    rate: int
    _hurry: threading.Event = field(default_factory=threading.Event)
    _failures: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._clients = [ask(self.port, self.hash) for _ in range(self.count)]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hurry.set()
        for client in self._clients:
            client.close()

    def finish(self, seconds: float = 120.0) -> None:
        """Have them take the rest, and raise what went wrong with any of them."""
        self._hurry.set()
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "slow readers that do not come to an end"
        for failure in self._failures:
            raise failure

    def _run(self) -> None:
        try:
            self._take_all()
        except BaseException as error:
            self._failures.append(error)

    def _take_all(self) -> None:
        began, buffer = time.monotonic(), memoryview(bytearray(1 << 16))
        with selectors.DefaultSelector() as selector:
            for client in self._clients:
                client.setblocking(False)
                selector.register(client, selectors.EVENT_READ, Taking(memoryview(self.whole)))
            while selector.get_map():
                allowed = len(self.whole) if self._hurry.is_set() else int((time.monotonic() - began) * self.rate)
                for key, _ in selector.select(TICK):
                    taking: Taking = key.data
                    if taking.at < allowed or self._hurry.is_set():
                        self._take(selector, key, taking, buffer)
                if not self._hurry.is_set():
                    time.sleep(TICK)

    @staticmethod
    def _take(
        selector: selectors.DefaultSelector, key: selectors.SelectorKey, taking: Taking, buffer: memoryview
    ) -> None:
        assert isinstance(key.fileobj, socket.socket)
        count = key.fileobj.recv_into(buffer)
        taking.take(buffer[:count])
        if not count:
            assert taking.at == len(taking.whole), f"a slow reader was cut after {taking.at} bytes"
            selector.unregister(key.fileobj)
