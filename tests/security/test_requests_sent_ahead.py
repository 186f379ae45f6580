"""What a client sends while its last request is still being answered: in turn, within bounds, never mixed up."""

import contextlib
import socket
import time

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern

MIB = 1 << 20
ONE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSING = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def connected(gateway: Gateway, sent: bytes = b"") -> socket.socket:
    """A client that has sent this much."""
    client = socket.create_connection(("127.0.0.1", gateway.port), 20)
    client.sendall(sent)
    return client


def received(client: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    answer = bytearray()
    try:
        while block := client.recv(1 << 16):
            answer += block
    except ConnectionError:
        pass
    return bytes(answer)


def push(client: socket.socket, data: bytes, most: int) -> int:
    """Send the data again and again, until nobody takes it any more, or `most` bytes are sent; how many were."""
    client.settimeout(0.5)
    sent = 0
    try:
        while sent < most:
            sent += client.send(data)
    except (TimeoutError, ConnectionError):
        pass
    return sent


@pytest.mark.parametrize(
    "ahead",
    [
        pytest.param(b"X-Endless: " + b"x" * 65536, id="a head without an end"),
        pytest.param(b"X-Field: x\r\n" * 4096, id="fields"),
        pytest.param(ONE * 2000, id="requests"),
        pytest.param(b"\r\n" * 32768, id="empty lines"),
        pytest.param(
            b"POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" * 900, id="bodies"
        ),
    ],
)
def test_connection_is_not_read_while_a_request_of_it_runs(launch: Launch, origin: Origin, ahead: bytes) -> None:
    """Behind an event stream at most a read is held, and it costs its own length; others are answered as ever."""
    gateway = launch()
    origin.serve("/ahead/watched", File(b"file"))
    hash = gateway.create(urls=[origin.url("/ahead/watched")])["archive_hash"]
    idle = gateway.memory()
    with connected(gateway, f"GET /api/archive/events/{hash} HTTP/1.1\r\nHost: a\r\n\r\n".encode()) as client:
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n" if ahead.startswith(b"X-") else b"")
        assert push(client, ahead, 64 * MIB) < 64 * MIB
        assert gateway.client.get("/healthz").elapsed.total_seconds() < 0.5
    assert gateway.peak_memory() - idle < 8 * MIB


def test_requests_sent_ahead_are_answered_in_turn(gateway: Gateway) -> None:
    """A thousand of them in one write, with bodies of either framing between them, cut anywhere."""
    missing = b"GET /none-%04d HTTP/1.1\r\nHost: a\r\n\r\n"
    sized = b"POST /api/archive/create HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nGET "
    head = b"POST /api/archive/create HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = head + b"3\r\nno!\r\n0\r\nX: y\r\n\r\n"
    requests = b"".join(missing % number + sized + b"\r\n" + chunked for number in range(300)) + CLOSING
    for step in (len(requests), 1009):
        with connected(gateway) as client:
            for at in range(0, len(requests), step):
                client.sendall(requests[at : at + step])
            answers = received(client).split(b"HTTP/1.1 ")[1:]
        assert [answer[:3] for answer in answers] == [b"404", b"400", b"400"] * 300 + [b"200"]


def test_request_may_be_cut_anywhere(gateway: Gateway) -> None:
    """Byte by byte, its empty lines and its end included, and followed by another one."""
    with connected(gateway) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\r\n\r\n" + ONE + b"\r\n" + CLOSING:
            client.sendall(bytes([byte]))
        assert received(client).count(b"HTTP/1.1 200 ") == 2


def test_answers_that_nobody_takes_hold_what_follows(launch: Launch, origin: Origin) -> None:
    """However many requests are sent ahead, none is begun before the last one's answer is complete."""
    gateway = launch()
    origin.serve("/ahead/large", File(Pattern(8 * MIB)))
    hash = gateway.create(urls=[origin.url("/ahead/large")])["archive_hash"]
    gateway.download(hash)
    gateway.until(hash)
    idle = gateway.memory()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", gateway.port))
        assert (
            push(client, f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 800, 64 * MIB) < 64 * MIB
        )
        assert gateway.client.get("/healthz").elapsed.total_seconds() < 0.5
    assert gateway.peak_memory() - idle < 16 * MIB


def test_bytes_sent_ahead_have_a_bound_for_all_connections_together(launch: Launch, origin: Origin) -> None:
    """Whoever passes it is dropped; those who sent nothing ahead are not."""
    gateway = launch()
    origin.serve("/ahead/crowd", File(b"file"))
    hash = gateway.create(urls=[origin.url("/ahead/crowd")])["archive_hash"]
    idle = gateway.memory()
    events = f"GET /api/archive/events/{hash} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with connected(gateway, events) as honest:
        assert honest.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        clients = [connected(gateway, events) for _ in range(150)]
        for client in clients:
            client.setblocking(False)
            try:
                while True:
                    client.send(bytes(1 << 18))
            except (BlockingIOError, ConnectionError):
                pass
        assert gateway.client.get("/healthz").elapsed.total_seconds() < 5
        assert gateway.peak_memory() - idle < 64 * MIB
        gateway.client.get(f"/archive/get/{hash}.zip")
        honest.settimeout(20)
        assert b"completed" in received_until(honest, b"completed")
        for client in clients:
            client.close()


def received_until(client: socket.socket, mark: bytes) -> bytes:
    """What comes, as far as the mark."""
    answer = b""
    while mark not in answer and (block := client.recv(1 << 16)):
        answer += block
    return answer


def test_head_has_its_time_however_the_connection_began(launch: Launch) -> None:
    """One that follows an answer, one that came ahead in part, and one behind a body that nobody read."""
    gateway = launch(request_timeout="0.5")
    part = b"GET /healthz HT"
    unread = b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n"
    for sent in (ONE + part, ONE + ONE + part, unread, unread + bytes(50_000) + part):
        with connected(gateway, sent) as client:
            began = time.monotonic()
            while True:  # a byte each time that nothing came: uvicorn's own limit is for those that say nothing
                client.settimeout(0.1)
                try:
                    if not client.recv(1 << 16):
                        break
                    client.sendall(b"x")
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            assert time.monotonic() - began < 4.0


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"0\r\nX-Sum: " + b"1" * 20_000, id="a trailer"),
        pytest.param(b"0\r\n" + b"X-Sum: 1\r\n" * 2000, id="trailers"),
        pytest.param(b"1;" + b"x" * 20_000, id="an extension"),
        pytest.param(b"1;" + b"x" * 900 + b"\r\n{\r\n", id="extensions"),
        pytest.param(b"0" * 20_000, id="a size"),
    ],
)
def test_framing_of_a_body_has_its_bound(gateway: Gateway, body: bytes) -> None:
    """8 KiB of what is no body, and the request is refused."""
    head = b"POST /api/archive/create HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
    with connected(gateway, head) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(body if len(body) > 5000 else body * 20)
        answer = received(client)
    assert answer.startswith(b"HTTP/1.1 400 ") or not answer  # which a reset may have taken with it


def test_broken_rest_of_a_body_never_gets_into_an_answer(gateway: Gateway, origin: Origin) -> None:
    """A download whose request goes wrong behind its head is cut: an error's text must not stand among its bytes."""
    origin.serve("/ahead/cut", File(Pattern(64 * MIB)))
    hash = gateway.create(urls=[origin.url("/ahead/cut")], compression="store")["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    with connected(
        gateway, f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    ) as client:
        answer = client.recv(1000)
        assert answer.startswith(b"HTTP/1.1 200 ")
        client.sendall(b"no chunk\r\n")
        answer += received(client)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert len(answer) < 64 * MIB


def test_heads_that_do_not_end_hold_little_together(gateway: Gateway) -> None:
    """Those that began theirs first are dropped when all have 16 MiB; who sends the rest of his is answered."""
    with contextlib.ExitStack() as stack:
        head = CLOSING[:-2] + b"X: " + b"x" * 60_000
        clients = [stack.enter_context(connected(gateway, head)) for _ in range(320)]
        clients[0].settimeout(10)  # its time for a head is longer
        assert received(clients[0]) == b""
        clients[-1].sendall(b"\r\n\r\n")
        assert received(clients[-1]).startswith(b"HTTP/1.1 200 ")
