"""The metrics add up: they say what scripted clients and origins counted, whichever process did it, and kill -9 of one
takes nothing back.
"""

import os
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streamzip import metrics
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Status
from tests.support.scraped import Scraped, until
from tests.support.workers import connect, workers

SIZE = 3_000_000


@pytest.fixture(scope="module")
def counting(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Three workers that count."""
    data = tmp_path_factory.mktemp("counting") / "data"
    settings = {"workers": "3", "metrics": "127.0.0.1:0", "max_attempts": "1"}
    with Gateway(data, allow=[origin.authority], **settings) as gateway:
        workers(gateway, 3)
        yield gateway


def ask(gateway: Gateway, path: str, worker: int, fields: str = "") -> int:
    """Download from this worker; the bytes of the body."""
    with closing(connect_to(gateway, worker)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n".encode())
        received = b""
        while block := client.recv(1 << 18):
            received += block
        return len(received.partition(b"\r\n\r\n")[2])


def connect_to(gateway: Gateway, worker: int) -> socket.socket:
    """A connection to one of the processes."""
    if worker == gateway.pid:
        return socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
    return connect(gateway, worker, count=3)


def script(gateway: Gateway, origin: Origin, name: str, processes: list[int]) -> dict[str, float]:
    """Download whole, a range, leave, be cut, in each process in turn; what was counted here meanwhile."""
    before, taken, asked = Scraped(gateway), 0, 0
    whole, held = f"/metrics/{name}/whole", f"/metrics/{name}/held"
    origin.serve(whole, File(Pattern(SIZE)))
    made = gateway.create(urls=[origin.url(whole)])["archive_hash"]
    path = f"/archive/get/{made}.zip"
    for process in processes:
        taken += ask(gateway, path, process)
        taken += ask(gateway, path, process, "Range: bytes=100-1099\r\n")
        asked += 1
    assert gateway.client.get(path, headers={"If-None-Match": gateway.client.head(path).headers["ETag"]}).content == b""
    origin.serve(held, File(Pattern(SIZE)), File(Pattern(SIZE), hold_at=2_000_000))
    left = gateway.create(urls=[origin.url(held)])["archive_hash"]
    gateway.client.head(f"/archive/get/{left}.zip")
    with closing(connect_to(gateway, processes[0])) as client:
        client.sendall(f"GET /archive/get/{left}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert client.recv(1000)
    gone = Status(404)
    origin.serve(f"/metrics/{name}/gone", gone)
    urls = [origin.url(f"/metrics/{name}/gone"), origin.url(whole)]
    prefetched = gateway.create(urls=urls, on_error="skip", prefetch=True)["archive_hash"]
    breaking = f"/metrics/{name}/cut"
    origin.serve(breaking, File(Pattern(SIZE)), *[File(Pattern(SIZE), hold_at=900_000, cut_at=1_000_000)] * 50)
    cut = gateway.create(urls=[origin.url(breaking)])["archive_hash"]
    gateway.client.head(f"/archive/get/{cut}.zip")
    with closing(connect_to(gateway, processes[-1])) as client:
        client.sendall(f"GET /archive/get/{cut}.zip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert client.recv(1000)  # it has begun: without a byte it would be a problem, and no download
        origin.release(breaking)
        while client.recv(1 << 18):
            pass
    ended = until(
        gateway,
        lambda now: (
            now.sum("streamzip_downloads_total") - before.sum("streamzip_downloads_total") == 2 * asked + 2
            and now.sum("streamzip_entries_left_out_total") > before.sum("streamzip_entries_left_out_total")
        ),
    )
    origin.release(held)
    gateway.until(prefetched)  # or its bytes would be counted with what comes next
    outcomes = {
        outcome: count - before.labelled("streamzip_downloads_total", "outcome").get(outcome, 0)
        for outcome, count in ended.labelled("streamzip_downloads_total", "outcome").items()
    }
    assert outcomes == {"whole": 2 * asked, "left": 1, "cut": 1}
    return {"taken": taken, "asked": asked}


def logged(gateway: Gateway) -> tuple[float, dict[str, int]]:
    """The bytes and the outcomes of all downloads, as their lines have them."""
    ended = [line for line in gateway.log if line["event"] == "download_ended"]
    outcomes: dict[str, int] = {}
    for line in ended:
        outcomes[line["outcome"]] = outcomes.get(line["outcome"], 0) + 1
    return sum(line["bytes"] for line in ended), outcomes


def check(gateway: Gateway) -> None:
    """Downloads and bytes are those of the log's lines; nothing was counted twice."""
    # Both may come a moment after the client has its last byte.
    now = until(gateway, lambda now: now.sum("streamzip_downloads_total") == sum(logged(gateway)[1].values()))
    taken, outcomes = logged(gateway)
    assert now.labelled("streamzip_downloads_total", "outcome") == outcomes
    assert now.sum("streamzip_sent_bytes_total", kind="download") == taken


def test_metrics_are_what_clients_and_origins_counted(counting: Gateway, origin: Origin) -> None:
    """With three workers, and after kill -9 of one: downloads by outcome, bytes to clients, bytes from origins."""
    processes = workers(counting, 3)
    script(counting, origin, "first", processes)
    check(counting)
    before = Scraped(counting)
    origin.serve("/metrics/exact", File(Pattern(SIZE), cap=None))
    made = counting.create(urls=[origin.url("/metrics/exact")])["archive_hash"]
    ask(counting, f"/archive/get/{made}.zip", processes[1])
    now = Scraped(counting)
    sent = origin.sent("/metrics/exact")
    pulled = now.sum("streamzip_origin_bytes_total") - before.sum("streamzip_origin_bytes_total")
    assert SIZE <= pulled <= sent
    totals = {name: now.sum(name) for name in ("streamzip_downloads_total", "streamzip_requests_total")}
    os.kill(processes[1], signal.SIGKILL)
    counting.logged("worker_died")
    for name, total in totals.items():
        assert Scraped(counting).sum(name) >= total, name
    check(counting)
    ask(counting, f"/archive/get/{made}.zip", workers(counting, 3)[1])
    check(counting)
    died = until(counting, lambda now: now.sum("streamzip_log_events_total", event="worker_died") == 1)
    assert died.sum("streamzip_workers") == 3
    assert died.sum("streamzip_worker_starts_total") == 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_metrics_add_up_over_many_deaths(counting: Gateway, origin: Origin) -> None:
    """Ten times: a script, kill -9 of a worker that has nothing under way, and all that was counted is there."""
    for turn in range(10):
        processes = workers(counting, 3)
        script(counting, origin, f"turn-{turn}", processes)
        check(counting)
        before = len(counting.log)
        os.kill(processes[turn % 3], signal.SIGKILL)
        counting.logged("worker_died", after=before)
        check(counting)


def test_metrics_of_one_process_add_up_too(launch: Launch, origin: Origin) -> None:
    """As with workers; and every metric has its explanation, none a hash, a host or a path in a label."""
    gateway = launch(metrics="127.0.0.1:0", max_attempts="1")
    script(gateway, origin, "alone", [gateway.pid])
    check(gateway)
    states = [("streamzip_archives", frozenset({("state", state)})) for state in ("completed", "failed", "unfinished")]
    scraped = until(gateway, lambda now: now.samples.keys() >= set(states))  # counted once a minute
    assert scraped.labelled("streamzip_origin_requests_total", "outcome").keys() == {"200", "206", "404"}
    assert scraped.labelled("streamzip_entries_left_out_total", "code") == {"http_404": 1}
    assert scraped.sum("streamzip_copies_limit_bytes") > 0
    assert scraped.sum("streamzip_queue_waiting") == 0
    assert str(origin.port) not in scraped.text.replace(f"{origin.port}.0", "")
    assert "/metrics/alone" not in scraped.text
    served = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name, _ in scraped.samples}
    assert served <= metrics.names().keys()


def test_metrics_are_off_where_they_are_not_asked_for(gateway: Gateway) -> None:
    """No port, no file, and prometheus-client is not loaded."""
    assert all(line["event"] != "metrics_listening" for line in gateway.log)
    assert "streamzip-metrics" not in Path(f"/proc/{gateway.pid}/maps").read_text()
