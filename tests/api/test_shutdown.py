"""SIGTERM: new work is refused, downloads under way end whole, what is unfinished stays, and the exit status is 0."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from signal import Signals

from tests.support.fixtures import Launch
from tests.support.gateway import POLL
from tests.support.origin import File, Origin, Pattern

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
