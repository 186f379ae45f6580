"""An origin that takes its time: every answer waits, as one far away does. Files are read at the start.

nginx has no such delay of its own. `python -m benchmarks.slow_origin PORT SECONDS FOLDER`
"""

import asyncio
import sys
from pathlib import Path

import uvloop


class _Exchange(asyncio.Protocol):
    def __init__(self, files: dict[bytes, bytes], delay: float) -> None:
        self._files = files
        self._delay = delay
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, chunk: bytes) -> None:
        self._held += chunk
        while b"\r\n\r\n" in self._held:
            head, _, self._held = self._held.partition(b"\r\n\r\n")
            asyncio.get_running_loop().call_later(self._delay, self._answer, head)

    def _answer(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        body = self._files.get(lines[0].split(b" ")[1])
        if body is None:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        status, extra, size = b"200 OK", b"Accept-Ranges: bytes\r\n", len(body)
        for line in lines[1:]:
            if line.lower().startswith(b"range: bytes="):
                first, _, last = line[13:].partition(b"-")
                start, stop = int(first), min(int(last or size) + 1, size)
                status, body = b"206 Partial Content", body[start:stop]
                extra = b"Content-Range: bytes %d-%d/%d\r\n" % (start, stop - 1, size)
        head = b'HTTP/1.1 %s\r\nContent-Length: %d\r\nETag: "%d"\r\n%s\r\n' % (status, len(body), size, extra)
        self._transport.write(head + body)


async def _serve(port: int, delay: float, files: dict[bytes, bytes]) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Exchange(files, delay), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    root = Path(sys.argv[3])
    held = {b"/" + path.relative_to(root).as_posix().encode(): path.read_bytes() for path in root.rglob("*.*")}
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2]), held))
