"""One connection's HTTP/1.1, fed by hand: however the network cuts an answer, it is the same answer, or none."""

import asyncio
from typing import Any, cast

import pytest

from streamzip.net.buffers import SIZE, Buffers
from streamzip.net.errors import HungUp, NotHttp, TimedOut
from streamzip.net.exchange import Connection
from streamzip.net.port import Answer

OK = b"HTTP/1.1 200 OK\r\n"
SIZED = OK + b"Content-Length: 5\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Wire:
    """The transport's side, and what became of the connection."""

    def __init__(self, read_timeout: float = 5.0) -> None:
        self.sent = b""
        self.paused = self.aborted = False
        self.freed = self.lost = 0
        self.connection = Connection(Buffers(), read_timeout, lambda _: self._free(), lambda _: self._lose())
        self.connection.connection_made(cast(asyncio.Transport, self))

    def _free(self) -> None:
        self.freed += 1

    def _lose(self) -> None:
        self.lost += 1

    def write(self, data: bytes) -> None:
        self.sent += data

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def come(self, data: bytes) -> None:
        """What the event loop does with bytes that came: at most a buffer full at once."""
        while data:
            buffer = self.connection.get_buffer(-1)
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            self.connection.buffer_updated(count)
            data = data[count:]

    async def ask(self, *received: bytes) -> Answer:
        """Ask, and have these bytes come."""
        asking = asyncio.create_task(self.connection.ask(b"GET / HTTP/1.1\r\n\r\n"))
        await asyncio.sleep(0)
        for data in received:
            self.come(data)
        return await asking


async def body_of(answer: Answer) -> bytes:
    """All of it."""
    return b"".join([chunk async for chunk in answer.stream])


@pytest.mark.parametrize(
    ("answer", "body", "reusable"),
    [
        pytest.param(SIZED + b"bytes", b"bytes", True, id="a length"),
        pytest.param(OK + b"content-length: 0\r\n\r\n", b"", True, id="nothing"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", b"", True, id="a status without a body"),
        pytest.param(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b"", True, id="a length of another"),
        pytest.param(CHUNKED + b"3\r\nbyt\r\n2;x=y\r\nes\r\n0\r\n\r\n", b"bytes", True, id="chunks"),
        pytest.param(CHUNKED + b"5\r\nbytes\r\n0\r\nX-Sum: 1\r\n\r\n", b"bytes", True, id="a trailer"),
        pytest.param(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SIZED + b"bytes", b"bytes", True, id="a hint"),
        pytest.param(OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nbytes", b"bytes", False, id="close"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nbytes", b"bytes", False, id="HTTP/1.0"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 5\n\n\n\r\nby", b"\n\r\nby", True, id="bare line feeds"),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_exchange_reads_the_same_answer_however_it_is_cut(
    answer: bytes, body: bytes, reusable: bool, step: int
) -> None:
    """Byte by byte, in pieces, or all at once; afterwards the connection is free, or gone."""
    wire = Wire()
    got = await wire.ask(*(answer[at : at + step] for at in range(0, len(answer), step)))
    assert await body_of(got) == body
    assert (wire.freed, wire.aborted) == (int(reusable), not reusable)


@pytest.mark.parametrize(
    "answer", [SIZED + b"bytes!", CHUNKED + b"5\r\nbytes\r\n0\r\n\r\n!", CHUNKED + b"5\r\nbytes\r\n0\r\n\r\n" + SIZED]
)
async def test_exchange_asks_nothing_more_of_an_origin_that_sends_too_much(answer: bytes) -> None:
    """What was asked for is whole; what follows would be taken for the next answer."""
    wire = Wire()
    assert await body_of(await wire.ask(answer)) == b"bytes"
    assert wire.aborted
    assert not wire.freed


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another protocol"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="another protocol now"),
        pytest.param(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", id="two lengths"),
        pytest.param(OK + b"Content-Length: +5\r\n\r\n", id="a signed length"),
        pytest.param(OK + b"Content-Length: 5_0\r\n\r\n", id="a length as Python would take it"),
        pytest.param(OK + b"Content-Length: 99999999999999999999\r\n\r\n", id="a length beyond 64 bits"),
        pytest.param(OK + b"X: y\r\n" * 201 + b"\r\n", id="201 fields"),
        pytest.param(OK + b"X: " + b"y" * (64 << 10), id="64 KiB without an end"),
    ],
)
async def test_exchange_refuses_what_is_no_answer(answer: bytes) -> None:
    """Two readers of it could disagree about where it ends."""
    wire = Wire()
    with pytest.raises(NotHttp):
        await wire.ask(answer)
    assert wire.aborted


async def test_exchange_ends_a_body_without_framing_with_its_connection() -> None:
    """A clean end is the body's; a reset is a break."""
    for error in (None, ConnectionResetError()):
        wire = Wire()
        answer = await wire.ask(OK + b"\r\nbytes")
        wire.connection.connection_lost(error)
        if error is None:
            assert await body_of(answer) == b"bytes"
        else:
            with pytest.raises(HungUp):
                await body_of(answer)
        assert wire.lost


@pytest.mark.parametrize("broken", [CHUNKED + b"5\r\nbytes\r\nzz\r\n", CHUNKED + b"5\r\nby"])
async def test_exchange_hands_on_what_came_before_a_break(broken: bytes) -> None:
    """What came is there, and then the break is told."""
    wire = Wire()
    chunks = aiter((await wire.ask(broken)).stream)
    assert bytes(await anext(chunks))[:2] == b"by"
    wire.connection.connection_lost(None)
    with pytest.raises(HungUp):
        await anext(chunks)


async def test_exchange_drops_a_connection_that_speaks_unasked() -> None:
    """Between two requests an origin has nothing to say; its bytes would answer the next one."""
    wire = Wire()
    await body_of(await wire.ask(SIZED + b"bytes"))
    wire.come(SIZED + b"other")
    assert wire.aborted
    assert not wire.connection.usable


async def test_exchange_holds_the_origin_back_when_nobody_reads() -> None:
    """Half a megabyte waits, and what the kernel gives at once; then the origin waits for the reader."""
    wire = Wire()
    answer = await wire.ask(OK + b"Content-Length: 999999999\r\n\r\n")
    pauses = []
    for _ in range(8):
        if not wire.paused:
            wire.come(bytes(128 << 10))
        pauses.append(wire.paused)
    assert pauses == [False] * 4 + [True] * 4
    chunks = aiter(answer.stream)
    for _ in range(5):
        pauses.append(wire.paused)
        await anext(chunks)
    assert pauses[8:] == [True] * 5
    assert not wire.paused


async def test_exchange_hands_on_large_pieces_as_they_lie_and_small_ones_as_copies() -> None:
    """Whatever is read later, into the same memory: a piece that is still held is nobody else's."""
    wire = Wire()
    body = b"".join(number.to_bytes(4) for number in range(SIZE))
    answer = await wire.ask(OK + b"Content-Length: %d\r\n\r\n" % len(body))
    held = []
    for start in range(0, len(body), SIZE):
        wire.come(body[start : start + 9])
        wire.come(body[start + 9 : start + SIZE])
        held += [await anext(answer.stream), await anext(answer.stream)]
    assert [type(chunk) for chunk in held] == [bytes, memoryview] * (len(body) // SIZE)
    assert b"".join(held) == body


async def test_exchange_serves_the_next_request_while_the_last_one_is_still_being_told() -> None:
    """A short answer frees its connection before its task runs again: that must not disturb the next one's."""
    wire = Wire()
    first = asyncio.create_task(wire.connection.ask(b"1"))
    await asyncio.sleep(0)
    wire.come(SIZED + b"first")
    second = asyncio.create_task(wire.connection.ask(b"2"))
    await asyncio.sleep(0)
    wire.come(SIZED + b"other")
    assert [await body_of(await each) for each in (first, second)] == [b"first", b"other"]


async def test_exchange_leaves_the_next_request_alone_when_the_last_one_is_cancelled_late() -> None:
    """Its answer had come, and its connection serves another one."""
    wire = Wire()
    first = asyncio.create_task(wire.connection.ask(b"1"))
    await asyncio.sleep(0)
    wire.come(SIZED + b"first")
    first.cancel()
    second = asyncio.create_task(wire.connection.ask(b"2"))
    await asyncio.gather(first, return_exceptions=True)
    wire.come(SIZED + b"other")
    assert await body_of(await second) == b"other"
    assert first.cancelled()
    assert not wire.aborted


@pytest.mark.parametrize("received", [[], [SIZED], [CHUNKED + b"5;"], [CHUNKED, b"5;" + b"x" * 99]], ids=repr)
async def test_exchange_gives_up_when_nothing_of_use_comes(received: list[bytes]) -> None:
    """No head, no bytes of a body, or only its chunks' trimmings."""
    wire = Wire(read_timeout=0.05)

    async def work() -> Any:
        return await body_of(await wire.ask(*received))

    with pytest.raises(TimedOut):
        await work()
    assert wire.aborted


async def test_exchange_waits_for_its_reader_as_long_as_that_takes() -> None:
    """The time-out is the origin's: a reader that is slow to come back finds its bytes."""
    wire = Wire(read_timeout=0.05)
    answer = await wire.ask(SIZED)
    chunks = aiter(answer.stream)
    waiting = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    wire.come(b"by")
    assert await waiting == b"by"
    await asyncio.sleep(0.15)
    wire.come(b"tes")
    assert await anext(chunks) == b"tes"


async def test_exchange_closes_a_connection_that_nobody_used_for_a_while() -> None:
    """Idle sockets are not held open."""
    wire = Wire()
    await body_of(await wire.ask(SIZED + b"bytes"))
    wire.connection.keep(0.05)
    await asyncio.sleep(0.15)
    assert wire.aborted


async def test_exchange_reads_ahead_less_and_counts_itself_when_there_are_many_connections() -> None:
    """What waits in a connection is bounded for all of them together."""
    wire, buffers = Wire(), Buffers()
    wire.connection = Connection(buffers, 5.0, lambda _: None, lambda _: None)
    wire.connection.connection_made(cast(asyncio.Transport, wire))
    assert buffers.connections == 1
    buffers.connections = 1000
    await wire.ask(OK + b"Content-Length: 1000000\r\n\r\n")
    most = len(buffers.current)
    pauses = []
    for come in (bytes(most // 2), b"x"):
        wire.come(come)
        pauses.append(wire.paused)
    assert pauses == [False, True]
    wire.connection.connection_lost(None)
    assert buffers.connections == 999


# -- what an origin can send without end -----------------------------------------------------------------


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(b"0\r\n" + b"X-Sum: 1\r\n" * 2000, id="trailers"),
        pytest.param(b"0\r\nX-Sum: " + b"1" * 20_000, id="a trailer without an end"),
        pytest.param(b"5;" + b"x=y;" * 5000, id="a chunk's extension without an end"),
        pytest.param(b"1;" + b"x" * 2000 + b"\r\na\r\n", id="extensions"),
        pytest.param(b"0" * 20_000, id="a chunk's size without an end"),
    ],
)
@pytest.mark.parametrize("step", [1000, 40_000])
async def test_exchange_ends_a_body_whose_framing_passes_the_bound(endless: bytes, step: int) -> None:
    """Sizes, extensions and trailers have 8 KiB beside the body's own bytes: then the answer is unusable."""
    wire = Wire()
    answer = await wire.ask(CHUNKED + b"5\r\nbytes\r\n")
    sent = endless * (1 if len(endless) > 8192 else 20)
    for at in range(0, len(sent), step):
        if wire.aborted:
            break
        wire.come(sent[at : at + step])
    assert wire.aborted
    assert not wire.freed
    with pytest.raises(HungUp):
        await body_of(answer)


async def test_exchange_takes_trailers_and_extensions_within_the_bound() -> None:
    """A body of single bytes with a few trailers is a body like any other."""
    wire = Wire()
    answer = await wire.ask(CHUNKED)
    for at in range(0, 20_000, 1000):
        wire.come(b"1\r\n%c\r\n" % (at % 251) * 1000)
    wire.come(b"1;" + b"x" * 4000 + b"\r\nz\r\n0\r\n" + b"X-Sum: 1\r\n" * 100 + b"\r\n")
    assert len(await body_of(answer)) == 20_001
    assert wire.freed


async def test_exchange_joins_the_chunks_of_one_read() -> None:
    """An origin that sends two bytes a chunk costs its reader a turn for each read, not for each chunk."""
    wire = Wire()
    answer = await wire.ask(CHUNKED)
    wire.come(b"2\r\nab\r\n" * 5000 + b"0\r\n\r\n")
    assert [bytes(chunk) async for chunk in answer.stream] == [b"ab" * 5000]


async def test_exchange_parses_only_a_piece_of_a_body_in_chunks_at_once() -> None:
    """However much has come: the loop serves others between two pieces."""
    wire = Wire()
    await wire.ask(CHUNKED)
    assert len(wire.connection.get_buffer(-1)) <= 64 << 10
    sized = Wire()
    await sized.ask(OK + b"Content-Length: 5000000\r\n\r\n")
    assert len(sized.connection.get_buffer(-1)) == SIZE


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"\r\n\r\n", id="empty lines"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, id="interim answers"),
    ],
)
async def test_exchange_refuses_answers_that_never_come_to_the_point(answer: bytes) -> None:
    """Each of them would cost a parser."""
    wire = Wire()
    with pytest.raises(NotHttp):
        await wire.ask(answer)
    assert wire.aborted
