"""An origin behind a line of so many bytes a second, shared by its connections, that counts what it sends.

In a process of its own: `python -m tests.support.paced RATE SIZE`. It has files of SIZE bytes under any path, each path
that begins with a number its own, prints its port, and tells at `/sent` the bytes of all bodies so far.
"""

import asyncio
import re
import subprocess
import sys
import urllib.request
from types import TracebackType
from typing import Self

from tests.support.origin import Pattern

SLICE = 64 << 10
TICK = 0.01  # seconds
PERIOD = (1 << 20) + 8
APART = 1000  # bytes between the beginnings of two files


class Repeating:
    """`size` bytes that nobody has to hold or make: the same again after PERIOD, of which no part is a multiple. Each
    `number` of them begins elsewhere in it.
    """

    def __init__(self, size: int, number: int = 0, *, like: "Repeating | None" = None) -> None:
        self._size = size
        self._first = number * APART
        self._twice: memoryview = memoryview(bytes(Pattern(PERIOD)[:]) * 2) if like is None else like._twice

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> memoryview:
        """Up to PERIOD bytes."""
        start, stop, _ = part.indices(self._size)
        return self._twice[(self._first + start) % PERIOD :][: stop - start]


class Line:
    """Gives out `rate` bytes a second to whoever asks, in turn."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def take(self, count: int) -> None:
        """Wait until so many bytes have passed."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - TICK) + count / self._rate
        if self._free_at > now + TICK:
            await asyncio.sleep(self._free_at - now)


class Server:
    """Answers GETs, whole or in one range."""

    def __init__(self, rate: int, size: int) -> None:
        self._line = Line(rate)
        self._size = size
        self._whole = Repeating(size)
        self._sent = 0

    async def serve(self) -> None:
        """Listen until the process ends."""
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0, limit=1 << 20)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=SLICE)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"GET /sent "):
            told = str(self._sent).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))
            return
        start, stop, status = 0, self._size, b"200 OK"
        fields = b'ETag: "v1"\r\nAccept-Ranges: bytes\r\n'
        if match := re.search(rb"(?i)\r\nrange: bytes=(\d+)-(\d*)\r\n", head):
            start, stop = int(match[1]), min(int(match[2] or self._size) + 1, self._size)
            status = b"206 Partial Content"
            fields += b"Content-Range: bytes %d-%d/%d\r\n" % (start, stop - 1, self._size)
        numbered = re.match(rb"GET /(\d+)", head)
        whole = Repeating(self._size, int(numbered[1]), like=self._whole) if numbered else self._whole
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n" % (status, stop - start, fields))
        for at in range(start, stop, SLICE):
            piece = whole[at : min(at + SLICE, stop)]
            await self._line.take(len(piece))
            writer.write(piece)
            self._sent += len(piece)
            await writer.drain()


class Paced:
    """That process, for `with`. `rate`: bytes a second of all its answers together; `size`: bytes of each file."""

    def __init__(self, rate: int, size: int) -> None:
        self._command = [sys.executable, "-m", "tests.support.paced", str(rate), str(size)]
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def authority(self) -> str:
        """Its `host:port`, for allow-lists."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """The URL of `path`."""
        return f"http://{self.authority}{path}"

    def sent(self) -> int:
        """Bytes of all bodies so far."""
        with urllib.request.urlopen(self.url("/sent"), timeout=30) as answer:
            return int(answer.read())


if __name__ == "__main__":
    asyncio.run(Server(int(sys.argv[1]), int(sys.argv[2])).serve())
