"""An origin on loopback that misbehaves as it is told, and remembers what it was asked.

    with Origin() as origin:
        origin.serve("/a", File(b"bytes", reset_at=2), File(b"bytes"))   # the first request, all later ones
        fetch(origin.url("/a"))
        assert origin.requests("/a")[1].fields["range"] == "bytes=2-"

It speaks HTTP/1.1 on raw sockets in a thread of its own: a server library would repair what is to be broken here. A
test never sleeps to see something happen: `until` waits for it.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import struct
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.patterns import Body
from tests.support.patterns import Pattern as Pattern

SLICE = 64 << 10
MODIFIED = "Mon, 01 Jun 2026 10:00:00 GMT"


@dataclass(frozen=True, kw_only=True)
class File:
    """A file, and what goes wrong with it. Offsets `…_at` count bytes of the body that is being sent."""

    body: Body = field(kw_only=False)
    etag: str | None = '"v1"'
    modified: str | None = MODIFIED
    ranges: bool = True
    if_range: bool = True  # False: it answers with a part, whatever If-Range says
    chunked: bool = False
    close: bool = False  # neither length nor chunks: the body ends where the connection does
    claims: int | None = None  # the Content-Length it says instead
    content_range: str | None = None  # what it says instead, where it sends a part
    encoding: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    cut_at: int | None = None  # hangs up
    reset_at: int | None = None  # drops the connection
    hold_at: int | None = None  # falls silent until `release`
    drip: int = SLICE  # bytes a write
    pause: float = 0.0  # seconds between two writes: an origin that is slow, whoever reads
    cap: int | None = None  # the most bytes it puts into a part, as some caches do


@dataclass(frozen=True)
class Status:
    """An answer that is not the file. It needs no `Content-Length` in `fields`."""

    code: int
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Raw:
    """These bytes, then the connection ends; or, without an end, `tail` again and again."""

    data: bytes
    endless: bool = False  # the tail is the data itself
    tail: bytes = b""


@dataclass(frozen=True)
class Silence:
    """No answer at all, until the client leaves."""


@dataclass(frozen=True)
class HangUp:
    """The connection ends without an answer, by a reset if asked."""

    reset: bool = False


@dataclass(frozen=True)
class Reply:
    """The answer that a rule chooses for the request."""

    choose: "Callable[[Request], Answer]"


Answer = File | Status | Raw | Silence | HangUp | Reply


def redirect(location: str, code: int = 302) -> Status:
    """A redirect."""
    return Status(code, (("Location", location),))


@dataclass(frozen=True)
class Request:
    """A request as it came. Field names are in lower case."""

    method: str
    target: str
    fields: dict[str, str]
    connection: int
    port: int = 0  # the client's


class Origin:
    """A scripted server on 127.0.0.1, for `with` and `async with`. Its counts may be read from any thread.

    `port`: a port of its own choice (0: any that is free); `host`: the address it listens on.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, *, port: int = 0, host: str = "127.0.0.1") -> None:
        self._tls = tls
        self._changed = threading.Condition()
        self._answers: dict[str, tuple[Answer, ...]] = {}
        self._requests: defaultdict[str, list[Request]] = defaultdict(list)
        self._sent: defaultdict[str, int] = defaultdict(int)
        self._holds: dict[str, asyncio.Event] = {}
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._connections = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="origin", daemon=True)
        self.port = port
        self._host = host

    def serve(self, path: str, *answers: Answer) -> None:
        """What `path` answers, in turn; the last one for good. What was counted of it stays."""
        first = len(self._requests[path])
        self._answers[path] = (answers[0],) * first + answers

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The URL of `path`, under another name of this machine if asked."""
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}{path}"

    @property
    def authority(self) -> str:
        """Its `host:port`, for allow-lists."""
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections were made to it."""
        return self._connections

    @property
    def live(self) -> int:
        """How many of them are there now."""
        return len(self._writers)

    @property
    def live_connections(self) -> frozenset[int]:
        """The numbers (`Request.connection`) of those that are there now."""
        with self._changed:
            return frozenset(self._writers)

    def requests(self, path: str | None = None) -> list[Request]:
        """What it was asked: for `path`, its query apart, or at all."""
        with self._changed:
            if path is not None:
                return list(self._requests[path])
            return [request for requests in list(self._requests.values()) for request in requests]

    def sent(self, path: str) -> int:
        """Body bytes that were written for `path`; what the kernel holds of them counts."""
        return self._sent[path]

    def release(self, path: str) -> None:
        """Let the answers of `path` that are held go on, and later ones pass."""
        self._loop.call_soon_threadsafe(lambda: self._hold(path).set())

    def until(self, reached: Callable[["Origin"], bool], seconds: float = 10.0) -> None:
        """Wait until something is so, else AssertionError. It blocks: `reached` is for the test's own loop."""
        with self._changed:
            if not self._changed.wait_for(lambda: reached(self), seconds):
                raise AssertionError("the origin did not see it happen")

    async def reached(self, reached: Callable[["Origin"], bool], seconds: float = 10.0) -> None:
        """`until`, for the test's own loop."""
        await asyncio.to_thread(self.until, reached, seconds)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._connected, self._host, self.port, ssl=self._tls, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._converse(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._changed:
            self._connections += 1
            number = self._connections
            self._writers[number] = writer
            self._changed.notify_all()
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer, number):
                    pass
        finally:
            writer.transport.abort()
            with self._changed:
                del self._writers[number]
                self._changed.notify_all()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        pairs = (line.partition(":") for line in lines[1:] if line)
        fields = {name.lower(): value.strip() for name, _, value in pairs}
        await reader.readexactly(int(fields.get("content-length", "0")))  # a webhook's body
        request = Request(method, target, fields, number, writer.get_extra_info("peername")[1])
        path = target.partition("?")[0]
        with self._changed:
            answers = self._answers.get(path, (Status(404),))
            answer = answers[min(len(self._requests[path]), len(answers) - 1)]
            self._requests[path].append(request)
            self._changed.notify_all()
        return await self._send(answer, path, request, reader, writer)

    async def _send(
        self, answer: Answer, path: str, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Write the answer; whether the connection stays."""
        match answer:
            case File():
                return await self._send_file(answer, path, request, reader, writer)
            case Status():
                fields = answer.fields
                if answer.code >= 200 and answer.code != 204:
                    fields += (("Content-Length", str(len(answer.body))),)
                writer.write(_head(answer.code, fields) + answer.body)
                await writer.drain()
                return True
            case Raw():
                await _write(writer, answer.data)
                while tail := answer.tail or (answer.data if answer.endless else b""):
                    await _write(writer, tail)
                writer.write_eof()
                await reader.read()
            case Silence():
                await reader.read()
            case HangUp(reset):
                return await self._end(writer, reset=reset)
            case Reply(choose):
                return await self._send(choose(request), path, request, reader, writer)
        return False

    async def _send_file(
        self, file: File, path: str, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        size = len(file.body)
        part = _part(file, request)
        start, stop = part or (0, size)
        if part is not None and file.cap is not None:
            stop = min(stop, start + file.cap)
        fields = list(file.fields)
        if part is not None and start >= size:
            fields.append(("Content-Range", f"bytes */{size}"))
            return await self._send(Status(416, tuple(fields)), path, request, reader, writer)
        if part is not None:
            fields.append(("Content-Range", file.content_range or f"bytes {start}-{stop - 1}/{size}"))
        elif file.ranges:
            fields.append(("Accept-Ranges", "bytes"))
        if file.etag is not None:
            fields.append(("ETag", file.etag))
        if file.modified is not None:
            fields.append(("Last-Modified", file.modified))
        if file.encoding is not None:
            fields.append(("Content-Encoding", file.encoding))
        if file.chunked:
            fields.append(("Transfer-Encoding", "chunked"))
        elif file.close:
            fields.append(("Connection", "close"))
        else:
            fields.append(("Content-Length", str(stop - start if file.claims is None else file.claims)))
        writer.write(_head(200 if part is None else 206, tuple(fields)))
        at, stops = 0, [stop for stop in (file.cut_at, file.reset_at, file.hold_at) if stop is not None]
        while True:
            if at == file.hold_at and not await self._held(path, reader, writer):
                return False
            if at in (file.cut_at, file.reset_at):
                return await self._end(writer, reset=at == file.reset_at)
            if start + at >= stop:
                break
            ahead = min([stop - start, at + file.drip, *(offset for offset in stops if offset > at)])
            data = file.body[start + at : start + ahead]
            at = ahead
            await _write(writer, f"{len(data):x}\r\n".encode() + data + b"\r\n" if file.chunked else data)
            with self._changed:
                self._sent[path] += len(data)
                self._changed.notify_all()
            if file.pause:
                await asyncio.sleep(file.pause)
        if file.chunked:
            writer.write(b"0\r\n\r\n")
        if file.close or file.claims is not None:
            return await self._end(writer, reset=False)
        return True

    async def _held(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Wait for the release, or for the client to leave; whether it was the release."""
        await writer.drain()
        released, left = self._loop.create_task(self._hold(path).wait()), self._loop.create_task(reader.read(1))
        try:
            await asyncio.wait((released, left), return_when=asyncio.FIRST_COMPLETED)
            return released.done()
        finally:
            released.cancel()
            left.cancel()
            await asyncio.gather(released, left, return_exceptions=True)

    def _hold(self, path: str) -> asyncio.Event:
        return self._holds.setdefault(path, asyncio.Event())

    async def _end(self, writer: asyncio.StreamWriter, *, reset: bool) -> bool:
        await _flushed(writer)
        if reset:
            # A linger of nothing makes the close a RST.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return False


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
    # drain() alone neither yields to the loop nor tells that the client has left.
    await asyncio.sleep(0)
    if writer.is_closing():
        raise ConnectionResetError


async def _flushed(writer: asyncio.StreamWriter) -> None:
    writer.transport.set_write_buffer_limits(high=0)
    await writer.drain()


def _head(code: int, fields: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"HTTP/1.1 {code} Scripted", *(f"{name}: {value}" for name, value in fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _part(file: File, request: Request) -> tuple[int, int] | None:
    """What the request's range asks for; None: the whole file."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.fields.get("range", ""))
    if match is None or not file.ranges:
        return None
    wanted = request.fields.get("if-range")
    if file.if_range and wanted is not None and wanted != file.etag:
        return None
    size = len(file.body)
    return int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
