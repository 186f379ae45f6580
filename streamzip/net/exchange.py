"""HTTP/1.1 on one connection (RFC 9112): a request goes out, its answer's head comes back, and its body as it comes.

Small files cost one exchange each and large ones nothing else, so this is the path that every byte takes: a head is
parsed by llhttp, a body of a known length is counted and otherwise left as the kernel gave it (buffers.py).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools

from streamzip.framing import head_end
from streamzip.net.buffers import Buffers
from streamzip.net.errors import HungUp, NotHttp, TimedOut, TransportError
from streamzip.net.mending import mended
from streamzip.net.parsing import MAX_HEAD_BYTES, Parser, Unusable
from streamzip.net.port import Answer
from streamzip.spans import Data

_HUNG_UP = "the origin hung up before it answered"
_BROKE = "the connection to the origin broke"

_NO_BODY = frozenset({204, 304})

# Bytes of a head, or of a body in chunks, that are read at once. Each chunk of a body costs a call, and an origin may
# make chunks of single bytes: 3 ms of such, and then the others have their turn.
_PARSED_AT_ONCE = 64 << 10
_INTERIM = 16  # 1xx answers before the one that was asked for


class Body(AsyncIterator[Data]):
    """What the origin sends, in chunks as they arrive. Raises TimedOut or HungUp after the last of them."""

    def __init__(self, connection: "Connection") -> None:
        self._connection: Connection | None = connection  # until all of it has come: then it serves others
        self._chunks: deque[Data] = deque()
        self._held = 0
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def __anext__(self) -> Data:
        while True:
            if self._chunks:
                chunk = self._chunks.popleft()
                self._held -= len(chunk)
                if not self._chunks and self._connection is not None:
                    self._connection.go_on()
                return chunk
            if self._failure is not None:
                raise self._failure
            if self._connection is None:
                raise StopAsyncIteration
            self._waiter = self._connection.expect_more()
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def aclose(self) -> None:
        """Drop the connection, unless the whole body has come: then it serves others already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    @property
    def whole(self) -> bool:
        """Return whether all of it has come."""
        return self._connection is None and self._failure is None

    @property
    def waiting(self) -> bool:
        """Return whether its reader stands here."""
        return self._waiter is not None and not self._waiter.done()

    def take(self, chunk: Data) -> int:
        """Take more of it, and return how many bytes wait for its reader now."""
        self._chunks.append(chunk)
        self._held += len(chunk)
        self._wake()
        return self._held

    def end(self, failure: Exception | None = None) -> None:
        """Note that no more of it comes; `failure`: although more was promised."""
        self._connection, self._failure = None, failure
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connection(asyncio.BufferedProtocol):
    """One connection to an origin. `on_free` is called when an answer was whole and another request may follow,
    `on_lost` when none can.

    `read_timeout`: seconds, of the wait for a whole head, and for any next bytes of a body. `address`: where it is
    counted, if it is.
    """

    def __init__(
        self,
        buffers: Buffers,
        read_timeout: float,
        on_free: "Callable[[Connection], None]",
        on_lost: "Callable[[Connection], None]",
        address: str | None = None,
    ) -> None:
        self.address = address
        self._buffers = buffers
        self._read_timeout = read_timeout
        self._on_free = on_free
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._lost = False
        self._asked: asyncio.Future[Answer] | None = None  # by a request, until its head is there
        self._partial = b""  # of a head
        self._head_bytes = 0
        self._interim = 0
        self._parser = Parser()
        self._body: Body | None = None
        self._left = 0  # bytes of the body to come; -1: chunks tell, -2: the connection's end does
        self._reusable = False
        self._deadline: float | None = None
        self._alarm: asyncio.TimerHandle | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send the request, and wait for its answer's head.

        Raises TimedOut, HungUp, NotHttp.
        """
        if self._transport is None or self._lost:
            raise HungUp("the origin hung up before it was asked")
        asked: asyncio.Future[Answer] = self._loop.create_future()
        self._asked = asked
        self._head_bytes = self._interim = 0
        self._expect(self._read_timeout)
        self._transport.write(request)
        try:
            return await asked
        except asyncio.CancelledError:
            if asked.cancelled():
                self.drop()
            elif (
                asked.exception() is None
            ):  # the head had come, and with it perhaps a short body: then the connection serves others already
                await asked.result().stream.aclose()
            raise

    @property
    def usable(self) -> bool:
        """Return whether another request may be sent."""
        return self._transport is not None and not self._lost and not self._transport.is_closing()

    def keep(self, seconds: float) -> None:
        """Nobody asks for anything: be closed after so long."""
        self._expect(seconds)

    def drop(self) -> None:
        """Close at once. A polite goodbye would, under uvloop's TLS, go on downloading for seconds."""
        self._lost = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._transport is not None:
            self._transport.abort()

    # -- the body's side ---------------------------------------------------------------------------------

    def expect_more(self) -> "asyncio.Future[None]":
        """Return the body's reader waits from now on, for what is returned."""
        self._expect(self._read_timeout)
        return self._loop.create_future()

    def go_on(self) -> None:
        """Read on: the body's reader has taken everything."""
        if self._paused and self.usable:
            self._paused = False
            self._transport.resume_reading()  # type: ignore[union-attr]

    # -- the loop's side ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note that the connection stands, with TLS where that is asked for."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no class of asyncio's
        self._buffers.connections += 1

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        current = self._buffers.current
        return current[:_PARSED_AT_ONCE] if self._body is None or self._left == -1 else current

    def buffer_updated(self, nbytes: int) -> None:
        """Take the next bytes of whatever is being read."""
        data = self._buffers.taken(nbytes)
        try:
            if self._body is None:
                data = self._take_head(bytes(data))
            if self._body is not None and (data or not self._left):
                self._take_body(self._body, data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, Unusable) as error:
            self._fail(NotHttp("the origin's answer is not HTTP, or its head is too large"), error)

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the origin, the network or `drop` ended it."""
        self._buffers.connections -= 1
        self._lost = True
        if self._body is not None and self._left == -2 and error is None:
            body, self._body = self._body, None
            body.end()
        self._fail(HungUp(_HUNG_UP if self._body is None else _BROKE), error)
        self._on_lost(self)

    # -- the head ----------------------------------------------------------------------------------------

    def _take_head(self, data: bytes) -> bytes:
        """Return what follows the head, once that is whole; until then nothing."""
        if self._asked is None or self._asked.done():
            raise Unusable  # bytes that nobody asked for
        data = self._partial + data if self._partial else data
        while True:
            end = head_end(data)
            self._head_bytes += end or 0
            if self._head_bytes + (0 if end else len(data)) > MAX_HEAD_BYTES:
                raise Unusable
            if not end:
                # What cannot become a head is refused at once: an SSH server waits for our greeting.
                if not b"HTTP/".startswith(data[:5]):
                    raise Unusable
                self._partial = data
                return b""
            self._partial = b""
            parsed = self._parser = _parsed(data[:end])
            data = data[end:] if end < len(data) else b""
            if parsed.status >= 200:
                break
            self._interim += 1
            if parsed.status == 101 or self._interim > _INTERIM:
                raise Unusable  # to nothing that was asked for, or without end
            if not data:
                return b""
        self._begin_body(parsed)
        return data

    def _begin_body(self, parsed: Parser) -> None:
        if parsed.chunked:
            self._left = -1
        elif parsed.status in _NO_BODY:
            self._left = 0
        else:
            self._left = -2 if parsed.length is None else parsed.length
        self._reusable = parsed.keeps_alive and self._left != -2
        self._deadline = None
        self._body = Body(self)
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_result(Answer(parsed.status, tuple(parsed.fields), self._body))

    # -- the body ----------------------------------------------------------------------------------------

    def _take_body(self, body: Body, data: Data) -> None:
        if self._left >= 0:
            surplus = len(data) > self._left
            if surplus:
                data = data[: self._left]
            self._left -= len(data)
            waiting = body.take(data) if data else 0
            if not self._left:
                self._end_body(body, reusable=self._reusable and not surplus)
                return
        elif self._left == -2:
            waiting = body.take(data)
        else:
            waiting = 0
            chunk = self._parser.chunks(data)
            if chunk:
                waiting = body.take(chunk)
            if self._parser.broken is not None:
                raise self._parser.broken
            if self._parser.whole:
                self._end_body(body, reusable=self._reusable and not self._parser.surplus)
                return
        # Half a read may wait for the body's reader; then the connection is not read from, and the origin is held back.
        # What a connection holds is this, and one more read.
        if waiting > self._buffers.most // 2 and not self._paused and self.usable:
            self._paused = True
            self._transport.pause_reading()  # type: ignore[union-attr]
        if not body.waiting:
            self._deadline = None

    def _end_body(self, body: Body, *, reusable: bool) -> None:
        if self._paused:
            self.go_on()
        self._body = self._deadline = None
        body.end()
        if reusable and self.usable:
            self._on_free(self)
        else:
            self.drop()

    def _fail(self, failure: TransportError, cause: BaseException | None) -> None:
        failure.__cause__ = cause
        body, self._body = self._body, None
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_exception(failure)
        if body is not None:
            body.end(failure if isinstance(failure, HungUp | TimedOut) else _broken(failure))
        self.drop()

    # -- time --------------------------------------------------------------------------------------------

    def _expect(self, seconds: float) -> None:
        """Something must come within so long. A timer that is set already rings, and looks again: setting one for each
        wait would cost more than all else here.
        """
        self._deadline = self._loop.time() + seconds
        if self._alarm is not None:
            if self._alarm.when() <= self._deadline:
                return
            self._alarm.cancel()
        self._alarm = self._loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._alarm = self._loop.call_at(self._deadline, self._ring)
        else:
            self._fail(TimedOut("the origin fell silent"), None)


def _parsed(head: bytes) -> Parser:
    """Read a whole head, mended where that is safe. Raises httptools' errors or Unusable where it is none."""
    parser = Parser()
    try:
        parser.head(memoryview(head))
    except httptools.HttpParserError:
        mild = mended(head)
        if mild is None:
            raise
        parser = Parser()
        parser.head(memoryview(mild))
    return parser


def _broken(failure: TransportError) -> HungUp:
    broken = HungUp(_BROKE)
    broken.__cause__ = failure
    return broken
