"""The store, the bucket or a gateway away for a minute, and a standby promoted (proof 4)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from signal import Signals

import httpx
import pytest

from tests.support import postgresql, seaweedfs
from tests.support.cluster import SECRETS
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.postgresql import PostgreSQL
from tests.support.seaweedfs import SeaweedFS

pytestmark = [pytest.mark.slow, pytest.mark.needs("postgresql", "seaweedfs"), pytest.mark.timeout(600)]

MIB = 1 << 20
AWAY = 60.0  # seconds
ANSWERED_WITHIN = 10.0  # seconds, and a client's own share of a busy machine
BACK_WITHIN = 10.0


class Creating:
    """Creates archives at a gateway, one after another, from a thread of its own; `made` are those acknowledged."""

    def __init__(self, gateway: Gateway) -> None:
        self.made: list[tuple[float, str]] = []
        self.longest = 0.0
        self.refused: set[str] = set()
        self._gateway = gateway
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._create, daemon=True)

    def _create(self) -> None:
        number = 0
        with httpx.Client(base_url=self._gateway.base, trust_env=False, timeout=60) as client:
            while not self._ends.is_set():
                number += 1
                began = time.monotonic()
                answer = client.post("/api/archive/create", json={"urls": [f"https://example.com/{number}"]})
                self.longest = max(self.longest, time.monotonic() - began)
                if answer.status_code == 201:
                    self.made.append((time.monotonic(), answer.json()["archive_hash"]))
                else:
                    assert answer.status_code == 503, answer.text
                    self.refused.add(answer.json()["code"])
                    self._ends.wait(0.05)

    def until(self, count: int) -> None:
        """Wait until so many more are acknowledged."""
        deadline, wanted = time.monotonic() + 60, len(self.made) + count
        while len(self.made) < wanted:
            assert time.monotonic() < deadline, self.refused
            time.sleep(0.01)

    def end(self) -> None:
        self._ends.set()
        self._thread.join(60)
        assert not self._thread.is_alive()

    @contextmanager
    def running(self) -> Iterator["Creating"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.end()


def nodes(folder: Path, origin: Origin, url: str, bucket: seaweedfs.Bucket, server: SeaweedFS) -> list[Gateway]:
    settings = {**SECRETS, "public_url": "https://zip.example", "store_url": url, "shared_url": bucket.url("copies")}
    under = ["env", *(f"{name}={value}" for name, value in server.environment.items())]
    return [Gateway(folder / name, allow=[origin.authority], under=under, node=name, **settings) for name in ("a", "b")]


@pytest.mark.parametrize("away", ["postgresql", "bucket", "node"])
def test_proof_4_nothing_is_lost_when_a_part_is_away_for_a_minute(tmp_path: Path, origin: Origin, away: str) -> None:
    """Stopped with its connections open, as where a network drops packets: a download under way ends with the right
    bytes, every create is answered within ten seconds, no acknowledged one is lost, and within ten seconds all is well.
    """
    size, path = 24 * MIB, f"/away/{away}"
    origin.serve(path, File(Pattern(size), drip=64 << 10, pause=0.2))  # over a minute for all of it
    with ExitStack() as stack:
        server, s3 = stack.enter_context(postgresql.running()), stack.enter_context(seaweedfs.running())
        first, second = nodes(tmp_path, origin, server.fresh_url(), s3.fresh_bucket(), s3)
        stack.enter_context(first)
        stack.enter_context(second)
        archive_hash = second.create(urls=[origin.url(path)], compression="store")["archive_hash"]
        reading = stack.enter_context(second.client.stream("GET", f"/archive/get/{archive_hash}.zip", timeout=120))
        runs = reading.iter_raw()
        got = bytearray(next(runs))
        pauses: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
            "postgresql": (partial(server.send, Signals.SIGSTOP), partial(server.send, Signals.SIGCONT)),
            "bucket": (s3.pause, s3.resume),
            "node": (partial(first.send, Signals.SIGSTOP), partial(first.send, Signals.SIGCONT)),
        }
        pause, resume = pauses[away]
        with Creating(second).running() as creating:
            creating.until(20)
            pause()
            until = time.monotonic() + AWAY
            try:
                for run in runs:
                    got += run
                    if time.monotonic() > until:
                        break
                time.sleep(max(0.0, until - time.monotonic()))
            finally:
                resume()
            back = time.monotonic()
            creating.until(20)
            for node in (first, second):
                assert node.client.get("/readyz").status_code == 200
            recovered = time.monotonic() - back
            got += b"".join(runs)
        print(
            f"{away}: longest answer {creating.longest:.1f} s, back after {recovered:.1f} s, {len(creating.made)} made"
        )
        assert creating.longest <= ANSWERED_WITHIN + 1
        assert recovered <= BACK_WITHIN
        assert creating.refused <= {"store_unavailable"}
        assert len(got) == int(reading.headers["content-length"])
        assert Pattern(size)[:] in bytes(got)
        for _, each in creating.made:
            assert first.client.get(f"/api/archive/status/{each}").status_code == 200


@contextmanager
def replicated() -> Iterator[tuple[PostgreSQL, PostgreSQL]]:
    """A primary and its standby, which every commit waits for."""
    with postgresql.running() as primary:
        primary.stop()
        standby = primary.standby()
        primary.start()
        standby.start()
        try:
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.execute("SELECT pg_reload_conf()")
            deadline = time.monotonic() + 20
            while primary.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") != [(1,)]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield primary, standby
        finally:
            if standby.answers():
                standby.stop()
            if not primary.answers():
                primary.start()  # so that it is ended as the others are


def test_proof_4_no_acknowledged_create_is_lost_when_a_standby_is_promoted(tmp_path: Path, origin: Origin) -> None:
    """The primary is killed amid creates (kill -9) and its synchronous standby promoted: the gateway, whose URL names
    both, creates again within ten seconds, and all that was acknowledged is there.
    """
    with replicated() as (primary, standby):
        url = primary.fresh_url().replace(f":{primary.port}", f":{primary.port},127.0.0.1:{standby.port}")
        settings = {**SECRETS, "public_url": "https://zip.example", "store_url": url}
        with Gateway(tmp_path / "data", allow=[origin.authority], **settings) as gateway:
            with Creating(gateway).running() as creating:
                creating.until(200)
                primary.kill()
                standby.execute("SELECT pg_promote()")
                promoted = time.monotonic()
                creating.until(20)
            first = next(at for at, _ in creating.made if at > promoted)
            print(f"created {first - promoted:.2f} s after the promotion, {len(creating.made)} made")
            assert first - promoted <= BACK_WITHIN
            assert creating.refused <= {"store_unavailable"}
            with closing(httpx.Client(base_url=gateway.base, trust_env=False, timeout=30)) as client:
                for _, each in creating.made:
                    assert client.get(f"/api/archive/status/{each}").status_code == 200
