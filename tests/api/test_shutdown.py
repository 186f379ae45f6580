"""SIGTERM: new work is refused, downloads under way end whole, what is unfinished stays, and the exit status is 0."""

import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from signal import Signals

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import POLL, Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.workers import workers

MIB = 1 << 20


def until_refused(port: int) -> None:
    """Wait until nobody listens there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # it closed its socket while this was in the queue
            pass
        time.sleep(POLL)
    raise AssertionError("it still lets clients in")


def test_sigterm_lets_the_downloads_under_way_end(launch: Launch, origin: Origin) -> None:
    """A download begun before SIGTERM is whole; nobody is let in after it; the process ends with 0."""
    gateway = launch()
    body = Pattern(3 * MIB)
    origin.serve("/term/a", File(body, etag=None), File(body, etag=None, hold_at=2 * MIB))
    hash = gateway.create(urls=[origin.url("/term/a")])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(gateway.get, hash)
        origin.until(lambda origin: origin.sent("/term/a") >= 2 * MIB)
        gateway.send(Signals.SIGTERM)
        until_refused(gateway.port)
        origin.release("/term/a")
        response = answer.result(20)
    assert len(response.content) == int(response.headers["content-length"])
    assert body[:] in response.content
    assert gateway.wait() == 0

    gateway.start()
    document = gateway.until(hash, lambda status: status["status"] == "completed")
    assert document["cached"]
    assert len(origin.requests("/term/a")) == 2


def test_sigterm_ends_a_prefetch_that_the_next_life_takes_up(launch: Launch, origin: Origin) -> None:
    """A build in the background does not hold the end up; after the restart it goes on from what it had."""
    gateway = launch()
    body = Pattern(4 * MIB)
    origin.serve("/term/b", File(body), *[File(body, hold_at=2 * MIB)] * 9)
    hash = gateway.create(urls=[origin.url("/term/b")], prefetch=True)["archive_hash"]
    gateway.until(hash, lambda status: status["progress"]["bytes"] >= 2 * MIB)
    assert gateway.stop() == 0
    origin.release("/term/b")
    gateway.start()
    gateway.until(hash)
    assert origin.requests("/term/b")[-1].fields["range"] == f"bytes={2 * MIB}-"
    assert body[:] in gateway.download(hash)


def test_an_idle_gateway_ends_at_once(launch: Launch) -> None:
    """SIGINT, as Ctrl-C sends it, and SIGTERM end it with 0 and without a trace."""
    for number in (Signals.SIGINT, Signals.SIGTERM):
        gateway = launch(number.name)
        gateway.send(number)
        assert gateway.wait(10) == 0
        assert not [line for line in gateway.log if line["event"] == "not JSON" or line.get("level") == "error"]


@pytest.fixture(params=["1", "2"], ids=["one process", "two workers"])
def ending(request: pytest.FixtureRequest, launch: Launch) -> Gateway:
    """A gateway that is about to end, and gives what is under way a minute."""
    gateway = launch(workers=request.param, stop_within="60")
    if request.param == "2":
        workers(gateway)
    return gateway


def begun(gateway: Gateway, origin: Origin, path: str) -> socket.socket:
    """A download that has begun, and waits for its origin."""
    origin.serve(path, File(Pattern(4 * MIB)), *[File(Pattern(4 * MIB), hold_at=2 * MIB)] * 9)
    hash = gateway.create(urls=[origin.url(path)])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    client = socket.create_connection(("127.0.0.1", gateway.port), 20)
    client.sendall(f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    received = b""
    while len(received) < MIB:
        received += client.recv(1 << 16)
    return client


def rest(client: socket.socket) -> int:
    """How many bytes still come."""
    count = 0
    try:
        while block := client.recv(1 << 16):
            count += len(block)
    except ConnectionResetError:
        pass
    return count


def test_clients_are_refused_at_once_while_downloads_end(ending: Gateway, origin: Origin) -> None:
    """With workers too: a socket that somebody still holds open would take clients whom nobody answers."""
    with begun(ending, origin, "/ending/refused") as client:
        ending.send(Signals.SIGTERM)
        began = time.monotonic()
        until_refused(ending.port)
        assert time.monotonic() - began < 5
        origin.release("/ending/refused")
        assert rest(client) > 2 * MIB
    assert ending.wait() == 0


@pytest.mark.parametrize("number", [Signals.SIGTERM, Signals.SIGINT])
def test_second_signal_cuts_what_is_under_way(ending: Gateway, origin: Origin, number: Signals) -> None:
    """Whoever asks twice does not want to wait; the end is in order, and its status 0."""
    with begun(ending, origin, f"/ending/twice/{number}") as client:
        ending.send(number)
        until_refused(ending.port)
        ending.send(number)
        assert ending.wait(15) == 0
        assert rest(client) < 3 * MIB
    assert ending.logged("cut_at_end")["asked_twice"] is True


def test_downloads_are_cut_when_their_time_is_over(launch: Launch, origin: Origin) -> None:
    """STREAMZIP_STOP_WITHIN is what they have, and what is unfinished stays for the next life."""
    gateway = launch(stop_within="0.5")
    with begun(gateway, origin, "/ending/late"):
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 10
    assert gateway.logged("cut_at_end")["asked_twice"] is False
    assert not [line for line in gateway.log if line["level"] == "error"]


def test_gateway_that_ends_is_not_ready(launch: Launch, origin: Origin) -> None:
    """On a connection that it had let in before: whoever balances sends nobody any more."""
    gateway = launch(stop_within="60")
    with begun(gateway, origin, "/ending/ready"), socket.create_connection(("127.0.0.1", gateway.port), 20) as client:
        client.sendall(b"POST /api/archive/create HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{")
        assert gateway.client.get("/readyz").status_code == 200
        gateway.send(Signals.SIGTERM)
        until_refused(gateway.port)
        client.sendall(b"}GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        while block := client.recv(1 << 16):
            received += block
        assert b"HTTP/1.1 422" in received
        assert b"HTTP/1.1 200" not in received
        origin.release("/ending/ready")
    assert gateway.wait() == 0


@pytest.mark.slow
def test_worker_that_does_not_end_is_killed(launch: Launch) -> None:
    """A stopped process takes no signal: the supervisor has a limit of its own, a shorter one when asked twice."""
    gateway = launch(workers="2", stop_within="1")
    for pid in workers(gateway)[:1]:
        os.kill(pid, Signals.SIGSTOP)
    began = time.monotonic()
    gateway.send(Signals.SIGTERM)
    assert gateway.wait(30) == 0
    assert time.monotonic() - began < 15
    assert gateway.logged("worker_killed")


def test_second_gateway_takes_over_while_the_first_one_drains(origin: Origin, tmp_path: Path) -> None:
    """With a socket that is handed over nobody is refused: the first one's downloads end whole, from one pull, and the
    second one has the same archives from its first moment on.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
        first = stack.enter_context(Gateway.handed(listening, tmp_path / "data", allow=[origin.authority]))
        assert first.port == listening.getsockname()[1]
        client = stack.enter_context(begun(first, origin, "/ending/handed"))
        asked = len(origin.requests("/ending/handed"))
        second = stack.enter_context(
            Gateway.handed(listening, tmp_path / "data", allow=[origin.authority], workers="2")
        )
        assert second.logged("data_folder_shared")
        first.send(Signals.SIGTERM)
        for number in range(20):
            origin.serve(f"/ending/new/{number}", File(b"new"))
            hash = second.create(urls=[origin.url(f"/ending/new/{number}")])["archive_hash"]
            assert second.download(hash)
        origin.release("/ending/handed")
        assert rest(client) > 2 * MIB
        assert first.wait() == 0
        assert len(origin.requests("/ending/handed")) == asked
        assert second.client.get("/readyz").status_code == 200


def test_socket_that_is_none_is_refused(tmp_path: Path) -> None:
    """What is handed over must listen for streams: one sentence, and the end."""
    with socket.socket() as silent:
        gateway = Gateway.handed(silent, tmp_path / "data")
        with pytest.raises(AssertionError, match="no socket that listens for streams"):
            gateway.start()
        assert gateway.ended() == 1
