"""Queued work in processes of its own, woken by PostgreSQL: killed, stopped, and cut off from it."""

import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import clocks, postgresql
from tests.support.gateway import Gateway, Worker
from tests.support.origin import File, Origin
from tests.support.receiver import Receiver, Reply
from tests.support.scraped import Scraped, until

pytestmark = pytest.mark.needs("postgresql")

BODY = bytes(range(256)) * 400
SHARED = {
    "secret_keys": f"k1:{'5e' * 32}",
    "public_url": "https://zip.example",
    "webhook_secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "jobs": "procrastinate",
}


def a_gateway(data: Path, origin: Origin, url: str, under: Sequence[str] = (), **settings: str) -> Gateway:
    """A gateway with a worker beside it."""
    return Gateway(data, allow=[origin.authority], under=under, store_url=url, **SHARED, **settings)


def workers(gateway: Gateway) -> list[int]:
    """The worker's process, which is the gateway's child."""
    children = Path(f"/proc/{gateway.pid}/task").glob("*/children")
    pids = [int(pid) for each in children for pid in each.read_text().split()]
    return [pid for pid in pids if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


def until_workers(gateway: Gateway, dead: int) -> list[int]:
    """Wait until another one has taken the dead one's place."""
    gateway.logged("worker_begun", after=[line["event"] for line in gateway.log].index("worker_died"))
    return [pid for pid in workers(gateway) if pid != dead]


def prefetch(gateway: Gateway, origin: Origin, name: str, **body: Any) -> str:
    entries = [{"url": origin.url("/worked/file"), "name": name}]
    return str(gateway.create(entries=entries, prefetch=True, compression="store", **body)["archive_hash"])


@pytest.fixture
def url() -> str:
    return postgresql.shared().fresh_url()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def running(tmp_path: Path, origin: Origin, url: str, receiver: Receiver) -> Iterator[Gateway]:
    origin.serve("/worked/file", File(BODY))
    with a_gateway(tmp_path / "data", origin, url, webhook_url=receiver.url(), metrics="127.0.0.1:0") as gateway:
        gateway.logged("worker_begun")
        yield gateway


def test_worker_works_for_the_gateway_beside_it(running: Gateway, origin: Origin, receiver: Receiver) -> None:
    """It makes prefetches in the folder that both have, reads pages, and tells receivers; both end in good order."""
    hash = prefetch(running, origin, "first")
    origin.serve("/worked/page", File(b'<img src="/worked/file">', fields=(("Content-Type", "text/html"),)))
    page = running.client.post("/download", json={"url": origin.url("/worked/page")}).headers["location"]
    path = page.removeprefix(SHARED["public_url"])
    running.until(hash)
    assert running.copy(hash).exists()
    deadline = time.monotonic() + 20.0
    while running.client.get(path).status_code == 202:
        assert time.monotonic() < deadline
    assert running.client.get(path).status_code == 200
    told = {receiver.next().document["data"]["archive_hash"] for _ in range(2)}
    assert hash in told
    counted = until(running, lambda now: now.sum("streamzip_deliveries_total", outcome="delivered") == 2)
    [worker] = workers(running)
    os.kill(worker, signal.SIGKILL)
    running.logged("worker_died")
    after = Scraped(running)
    assert after.sum("streamzip_deliveries_total") == 2
    for name in ("streamzip_archives_completed_total", "streamzip_origin_requests_total"):
        assert after.sum(name) >= counted.sum(name) >= 2
    assert after.sum("streamzip_workers", kind="clients") == 1
    [worker] = until_workers(running, worker)
    assert running.stop() == 0
    assert not Path(f"/proc/{worker}").exists()


def test_worker_alone_counts_and_reads_its_keys_again(tmp_path: Path, origin: Origin, url: str) -> None:
    """`streamzip worker`, beside no gateway: it answers Prometheus itself, also for a process that was killed, and
    SIGHUP does not end it.
    """
    origin.serve("/worked/file", File(BODY))
    settings = SHARED | {"store_url": url}
    with (
        Gateway(tmp_path / "a", allow=[origin.authority], **settings | {"jobs": "embedded"}) as gateway,
        Worker(tmp_path / "b", allow=[origin.authority], metrics="127.0.0.1:0", **settings) as worker,
    ):
        gateway.stop()  # the store has an archive that nobody builds
        worker.send(signal.SIGHUP)
        worker.logged("keys_read")
        until(worker, lambda now: now.sum("streamzip_worker_starts_total") == 1)
        [process] = workers(worker)
        os.kill(process, signal.SIGKILL)
        worker.logged("worker_died")
        assert Scraped(worker).sum("streamzip_worker_starts_total") == 1
        assert Scraped(worker).sum("streamzip_log_events_total", event="worker_died") == 1
        until_workers(worker, process)
        ended = until(worker, lambda now: now.sum("streamzip_worker_starts_total") == 2)
        assert ended.labelled("streamzip_workers", "kind") == {"background": 1}
        assert worker.stop() == 0


@pytest.mark.slow
def test_proof_5_work_is_taken_over_when_its_worker_is_killed(running: Gateway, origin: Origin) -> None:
    """kill -9: the watchdog begins another one, and what the first one had in hand is made within 20 seconds."""
    origin.serve("/worked/killed", File(BODY, hold_at=5000), File(BODY))
    entries = [{"url": origin.url("/worked/killed"), "name": "a", "size": len(BODY)}]
    held = running.create(entries=entries, prefetch=True, compression="store")["archive_hash"]
    origin.until(lambda origin: origin.sent("/worked/killed") > 0)
    [worker] = workers(running)
    os.kill(worker, signal.SIGKILL)
    running.logged("worker_died")
    began = time.monotonic()
    running.until(held)
    assert time.monotonic() - began < 20.0
    assert running.logged("job_rescued")["queue"] == "prefetches"


@pytest.mark.slow
def test_proof_5_zombie_changes_nothing_when_it_wakes(tmp_path: Path, origin: Origin, url: str) -> None:
    """A worker that was stopped, and whose work another one did meanwhile, ends its own without a trace."""
    origin.serve("/worked/file", File(BODY))
    with (
        Receiver() as receiver,
        a_gateway(tmp_path / "a", origin, url, webhook_url=receiver.url()) as first,
        a_gateway(tmp_path / "b", origin, url, webhook_url=receiver.url()) as second,
    ):
        for gateway in (first, second):
            gateway.logged("worker_begun")
        origin.serve("/worked/stopped", File(BODY, hold_at=5000), File(BODY))
        entries = [{"url": origin.url("/worked/stopped"), "name": "a", "size": len(BODY)}]
        hash = first.create(entries=entries, prefetch=True, compression="store")["archive_hash"]
        origin.until(lambda origin: origin.sent("/worked/stopped") > 0)
        stopped = [pid for gateway in (first, second) for pid in workers(gateway)]
        [[had]] = [postgresql.query(url, "SELECT claims FROM jobs")]
        assert had == (1,)
        holder = _holder(origin, stopped)
        os.kill(holder, signal.SIGSTOP)
        try:
            first.until(hash, seconds=30)
        finally:
            os.kill(holder, signal.SIGCONT)
        deadline = time.monotonic() + 10.0
        while postgresql.query(url, "SELECT count(*) FROM jobs") != [(0,)]:
            assert time.monotonic() < deadline
        told = receiver.next()
        assert told.document["data"]["archive_hash"] == hash
        first.until(prefetch(first, origin, "after"))
        second.until(prefetch(second, origin, "after too"))


@pytest.mark.slow
@pytest.mark.needs("faketime")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("by", ["+1h", "-1d"])
def test_proof_5_clock_that_is_off_moves_nothing(tmp_path: Path, origin: Origin, url: str, by: str) -> None:
    """One of two gateways, and its worker, an hour ahead or a day behind: when it was seen, what it creates and when
    that expires, its signed links, its webhooks and their second attempts are those of the right time, within five
    seconds; the other one's work is not taken for a dead one's, and is taken over within 20 seconds once it is.
    """
    origin.serve("/worked/file", File(BODY))
    told = {"signed_links": "on", "link_ttl": "600"}
    with (
        Receiver() as receiver,
        a_gateway(tmp_path / "a", origin, url, webhook_url=receiver.url(), **told) as right,
        a_gateway(tmp_path / "b", origin, url, clocks.off(by), webhook_url=receiver.url(), **told) as wrong,
    ):
        for gateway in (right, wrong):
            gateway.logged("worker_begun")
        assert wrong.logged("clock_differs")
        receiver.answer("/hook", Reply(503), Reply(204))
        for at, other in ((wrong, right), (right, wrong)):
            entries = [{"url": origin.url("/worked/file"), "name": f"of {at.data.name}"}]
            created = at.create(entries=entries, prefetch=True, compression="store", expires_in=120)
            hash, link = created["archive_hash"], created["url"].removeprefix(SHARED["public_url"])
            [(made, ends)] = postgresql.query(url, f"SELECT created_at, expires_at FROM archives WHERE hash = '{hash}'")
            assert abs(made - time.time()) < 5
            assert abs(ends - time.time() - 120) < 5
            assert abs(int(re.findall(r"expires=(\d+)", link)[0]) - time.time() - 600) < 5
            for gateway in (at, other):
                answer = gateway.client.get(link)
                assert (answer.status_code, BODY in answer.content) == (200, True)
            message = receiver.next()
            assert abs(int(message.fields["webhook-timestamp"]) - time.time()) < 5
            if at is wrong:  # the first message was refused: it comes again after two seconds
                began = time.monotonic()
                assert receiver.next().id == message.id
                assert time.monotonic() - began < 10
        assert all(abs(seen - time.time()) < 5 for [seen] in postgresql.query(url, "SELECT seen_at FROM nodes"))

        origin.serve("/worked/stopped", File(BODY, hold_at=5000), File(BODY))
        slow = {"url": origin.url("/worked/stopped"), "name": "a", "size": len(BODY)}
        created = right.create(entries=[slow], prefetch=True, compression="store")
        status = created["status_url"].removeprefix(SHARED["public_url"])
        origin.until(lambda origin: origin.sent("/worked/stopped") > 0)
        deadline = time.monotonic() + 10
        while postgresql.query(url, "SELECT claims FROM jobs") != [(1,)]:
            assert time.monotonic() < deadline, postgresql.query(url, "SELECT * FROM jobs")
        _stays_so(url, "SELECT claims FROM jobs", [(1,)], seconds=12)
        os.kill(_holder(origin, workers(right) + workers(wrong)), signal.SIGKILL)
        began = time.monotonic()
        while right.client.get(status).json()["status"] != "completed":
            assert time.monotonic() - began < 60
        took = time.monotonic() - began
        print(f"{by}: taken over after {took:.1f} s")
        assert took < 20


def _stays_so(url: str, query: str, so: list[tuple[int]], *, seconds: float) -> None:
    """Ask for so long; longer than it takes to find that a worker has died."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert postgresql.query(url, query) == so
        time.sleep(0.2)


def _holder(origin: Origin, pids: list[int]) -> int:
    """Which of the processes has the connection to the origin."""
    port = f":{origin.requests('/worked/stopped')[-1].port:04X} "
    for pid in pids:
        inodes = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(port.strip()) and f"socket:[{fields[9]}]" in inodes:
                return pid
    raise AssertionError("no process has it")


@pytest.mark.slow
def test_worker_comes_back_when_postgresql_was_away(tmp_path: Path, origin: Origin) -> None:
    """Killed and started again: the worker's loops end with it, and the watchdog begins another one."""
    origin.serve("/worked/file", File(BODY))
    with postgresql.running() as server, a_gateway(tmp_path / "data", origin, server.url()) as gateway:
        gateway.logged("worker_begun")
        gateway.until(prefetch(gateway, origin, "before"))
        server.kill()
        gateway.logged("worker_died")
        before = len(gateway.log)
        server.start()
        gateway.logged("worker_begun", after=before)
        deadline = time.monotonic() + 20.0
        while gateway.client.get("/readyz").status_code != 200:
            assert time.monotonic() < deadline
        gateway.until(prefetch(gateway, origin, "after"), seconds=30)
