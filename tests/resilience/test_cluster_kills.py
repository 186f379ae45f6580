"""kill -9 at random moments of a cluster's parts, while clients create, prefetch, download and resume through nginx.

    SEED=1 KILLS=20 pytest -m slow -s tests/resilience/test_cluster_kills.py

A seed gives the moments, the victims and what the clients choose; what the machine is just doing then is its own.
"""

import hashlib
import io
import itertools
import os
import random
import secrets
import signal
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import postgresql, seaweedfs
from tests.support.cluster import Cluster
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.receiver import Receiver
from tests.support.workers import family, kill_all

pytestmark = [pytest.mark.needs("postgresql", "seaweedfs", "nginx"), pytest.mark.cluster, pytest.mark.slow]

MIB = 1 << 20
NODES = 3
COMES_WITHIN = 90.0  # seconds
CHECKED_AT_ONCE = 8  # archives
KILLS = int(os.environ.get("KILLS", "100"))
TEXT = b"".join(b"%d,%x\n" % (number, number * 2654435761 % 4294967296) for number in range(30_000))
FILES = {
    "small.png": File(Pattern(5_000)),
    "large.png": File(Pattern(MIB + 77), pause=0.01),  # slow enough to be met half-way
    "huge.mov": File(Pattern(9 * MIB), drip=128 << 10, pause=0.1),  # of two parts; the first takes 6 s
    "text.csv": File(TEXT, pause=0.01),
}
# The copy alone proves what they were: where its node is lost, the archive may be stale.
WEAK = {"unsized.png": File(Pattern(MIB + 500_000), pause=0.01, etag=None, ranges=False, chunked=True)}
BODIES = {name: file.body[:] for name, file in (FILES | WEAK).items()}
# Of nginx, whose gateway died after it had the request, and of a gateway whose store or origins are just away.
PASSING = {502, 503, 504}

Part = Gateway | postgresql.PostgreSQL | seaweedfs.SeaweedFS


@dataclass
class Promise:
    """An archive whose create was acknowledged, and what clients have of it."""

    hash: str
    prefetched: bool
    weak: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    etag: str | None = None
    digest: str | None = None  # of the first whole download
    held: bytes = b""  # of a download that was cut, and can be resumed
    longest: bytes = b""  # of all downloads that were cut
    stale: bool = False

    @property
    def path(self) -> str:
        """Where it is downloaded."""
        return f"/archive/get/{self.hash}.zip"


class Clients:
    """They create, download and resume until they are told to end, and note what they were told."""

    def __init__(self, client: httpx.Client, origin: Origin, hook: str, chance: random.Random) -> None:
        self.promises: list[Promise] = []
        self.resumed = self.whole = self.cut = 0
        self._client = client
        self._origin, self._hook = origin, hook
        self._numbers = itertools.count()
        self._ending = threading.Event()
        self._wrong: list[BaseException] = []
        jobs: list[Callable[[random.Random], None]] = [self._create, *[self._download] * 4]
        self._threads = [
            threading.Thread(target=self._run, args=(job, random.Random(chance.random())), daemon=True) for job in jobs
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Have them end, and fail where one saw what must not be."""
        self._ending.set()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a client hangs"
        self.check()

    def check(self) -> None:
        """Fail where one saw what must not be."""
        for error in self._wrong:
            raise error

    def _run(self, job: Callable[[random.Random], None], chance: random.Random) -> None:
        try:
            while not self._ending.is_set():
                job(chance)
        except BaseException as error:
            self._wrong.append(error)

    def _create(self, chance: random.Random) -> None:
        number, weak = next(self._numbers), chance.random() < 0.15
        files = [name for name in FILES if name != "huge.mov" or chance.random() < 0.5] + list(WEAK if weak else ())
        body: dict[str, Any] = {
            "urls": [self._origin.url(f"/kills/{name}") for name in files],
            "filename": f"{number}.zip",
            "compression": chance.choice(["store", "store", "deflate"]),
            "prefetch": chance.random() < 0.5,
            "webhook": self._hook,
        }
        with suppress(httpx.NetworkError, httpx.RemoteProtocolError):  # nothing was acknowledged
            answer = self._client.post("/api/archive/create", json=body)
            if answer.status_code not in PASSING:
                assert answer.status_code == 201, answer.text
                self.promises.append(Promise(answer.json()["archive_hash"], body["prefetch"], weak))
        self._ending.wait(chance.uniform(1.0, 4.0))

    def _download(self, chance: random.Random) -> None:
        free = [promise for promise in self.promises if not promise.lock.locked() and not promise.stale]
        cut = [promise for promise in free if promise.held]
        fresh = [promise for promise in free if promise.digest is None]
        if chosen := cut or (fresh if chance.random() < 0.7 else []) or free:
            promise = chance.choice(chosen)
            with promise.lock:
                done = self.fetch(promise)
            self._ending.wait(chance.uniform(0.1, 0.5) if fresh or not done else 1.0)
        else:
            self._ending.wait(0.1)

    def fetch(self, promise: Promise) -> bool:
        """Download the archive, from where the last download was cut; tell whether all of it is there now."""
        fields = {"Range": f"bytes={len(promise.held)}-", "If-Range": promise.etag or ""} if promise.held else {}
        received, etag = bytearray(promise.held), None
        try:
            with self._client.stream("GET", promise.path, headers=fields) as response:
                if response.status_code in PASSING:
                    return False
                if response.status_code == 409 and promise.weak:
                    promise.stale = True
                    return True
                assert response.status_code == (206 if promise.held else 200), (response.read(), fields)
                etag = response.headers.get("etag")
                assert promise.etag in (None, etag), "another layout"
                promise.etag = etag
                for block in response.iter_raw():
                    received += block
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            self._cut(promise, bytes(received), etag)
            return False
        self.resumed += bool(promise.held)
        promise.held = b""
        self._whole(promise, bytes(received))
        return True

    def _cut(self, promise: Promise, received: bytes, etag: str | None) -> None:
        """Note what came before it was cut: it must be the archive's beginning."""
        self.cut += 1
        longer, shorter = sorted((received, promise.longest), key=len, reverse=True)
        assert promise.weak or longer.startswith(shorter), "other bytes"
        promise.longest = longer
        if etag is not None:
            promise.held = received

    def _whole(self, promise: Promise, archive: bytes) -> None:
        """Every member is there, with its file's bytes, and all of it is what it was before."""
        self.whole += 1
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            found = {name: opened.read(name) for name in opened.namelist()}
        assert found == {name: BODIES[name] for name in found}
        assert len(found) >= len(FILES) - 1 + promise.weak
        assert promise.weak or archive.startswith(promise.longest), "other bytes"
        digest = hashlib.sha256(archive).hexdigest()
        assert promise.digest in (None, digest), "other bytes"
        promise.digest = digest


class Parts:
    """What is killed: nodes with all their processes, a worker beside one, PostgreSQL, SeaweedFS.

    Each is started again beside what goes on, so that several may be away at once.
    """

    def __init__(self, cluster: Cluster, database: postgresql.PostgreSQL, bucket: seaweedfs.SeaweedFS) -> None:
        self._cluster, self._database, self._bucket = cluster, database, bucket
        self._threads = ThreadPoolExecutor()
        self._coming: dict[Part, Future[None]] = {}
        self.killed: defaultdict[str, int] = defaultdict(int)

    def kill(self, chance: random.Random) -> None:
        """kill -9 of one of them, once it runs. It is started again a moment later."""
        [what] = chance.choices(["node", "worker", "PostgreSQL", "SeaweedFS"], [10, 2, 4, 4])
        self.killed[what] += 1
        node, away = chance.choice(self._cluster.nodes), chance.choice([0.0, 0.3, 1.5])
        part: Part = self._database if what == "PostgreSQL" else self._bucket if what == "SeaweedFS" else node
        if part in self._coming:
            self._coming.pop(part).result()
        print(f"{time.strftime('%H:%M:%S')} kill {what} ({node.data.name}), away for {away} s", flush=True)
        if what == "worker":
            kill_beside(node)  # its watchdog starts it again
            return
        if isinstance(part, Gateway):
            kill_all(part)
            part.wait()
        else:
            part.kill()
        self._coming[part] = self._threads.submit(come_back, part, away)

    def wait(self) -> None:
        """Wait until all of them run."""
        for coming in self._coming.values():
            coming.result()
        self._threads.shutdown()


def come_back(part: Part, away: float) -> None:
    """Start it after so many seconds; a node as often as it takes, for it ends where its store or bucket is away."""
    pause(away)
    if not isinstance(part, Gateway):
        return part.start()
    deadline = time.monotonic() + COMES_WITHIN
    while True:
        try:
            return part.start()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        if part.runs:
            kill_all(part)
            part.wait()


def kill_beside(node: Gateway) -> None:
    """kill -9 of what a node has started: the worker beside it."""
    for pid in family(node)[1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def pause(seconds: float) -> None:
    """Let all of them live on: nothing is waited for here, the moment is the point."""
    threading.Event().wait(seconds)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what the test has begun."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.timeout(3600)
def test_no_promise_is_broken_when_parts_of_a_cluster_are_killed(
    stack: ExitStack, tmp_path: Path, origin: Origin
) -> None:
    """What create acknowledged is there and can be downloaded, prefetches complete by themselves, a download goes on
    where it was cut, every node gives the same bytes and ETag, and the receiver is told of each archive.
    """
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    for name, file in (FILES | WEAK).items():
        origin.serve(f"/kills/{name}", file)
    receiver = stack.enter_context(Receiver())
    database = stack.enter_context(postgresql.running())
    bucket = stack.enter_context(seaweedfs.running())
    cluster = stack.enter_context(
        Cluster(
            tmp_path,
            origin,
            nodes=NODES,
            allow=[receiver.authority],
            under=["env", *(f"{name}={value}" for name, value in bucket.environment.items())],
            store_url=database.fresh_url(),
            shared_url=bucket.fresh_bucket().url("copies"),
            jobs="procrastinate",
        )
    )
    front = stack.enter_context(cluster.balancer())
    client = stack.enter_context(httpx.Client(base_url=front.base, trust_env=False, timeout=60))
    clients = Clients(client, origin, receiver.url(), chance)
    parts = Parts(cluster, database, bucket)
    begun = time.monotonic()
    try:
        for _ in range(KILLS):
            pause(chance.uniform(0.05, chance.choice([0.3, 1.0, 2.0])))
            parts.kill(chance)
            clients.check()
    finally:
        parts.wait()
        clients.end()
    took = time.monotonic() - begun
    with ThreadPoolExecutor(CHECKED_AT_ONCE) as threads:
        list(threads.map(partial(kept, clients=clients, nodes=cluster.nodes), clients.promises))
    told(clients.promises, receiver)
    sent = sum(origin.sent(f"/kills/{name}") for name in BODIES)
    print(
        f"{dict(parts.killed)} killed in {took:.0f} s: {len(clients.promises)} archives, {clients.whole} whole "
        f"downloads, {clients.cut} cut, {clients.resumed} resumed, "
        f"{sum(each.stale for each in clients.promises)} stale, {len(receiver.messages())} messages, "
        f"{sent / MIB:.0f} MiB of the origin; "
        f"{time.monotonic() - begun:.0f} s with the end"
    )
    assert clients.resumed
    assert len(clients.promises) >= KILLS / 3


def kept(promise: Promise, clients: Clients, nodes: list[Gateway]) -> None:
    """Fail where the archive is not there, not the same at a node, or where its prefetch does not complete."""
    if promise.prefetched:
        ended = ("completed", "failed") if promise.weak else ("completed",)
        nodes[0].until(promise.hash, lambda document: document["status"] in ended, seconds=120, poll=0.1)
    deadline = time.monotonic() + 120
    while not promise.stale and not clients.fetch(promise):
        assert time.monotonic() < deadline, f"{promise.hash} cannot be downloaded"
        pause(0.2)
    if promise.stale or promise.weak:
        return
    answers = [node.get(promise.hash) for node in nodes]
    assert {answer.status_code for answer in answers} == {200}
    assert {hashlib.sha256(answer.content).hexdigest() for answer in answers} == {promise.digest}


def told(promises: list[Promise], receiver: Receiver) -> None:
    """Fail where the receiver is not told of an archive, or of one under two ids."""
    expected = {promise.hash for promise in promises if not promise.stale}
    ids: defaultdict[str, set[str]] = defaultdict(set)

    def all_told(receiver: Receiver) -> bool:
        for message in receiver.messages():
            document = message.document
            if document["type"] == "archive.completed":
                ids[document["data"]["archive_hash"]].add(message.id)
        return expected <= set(ids)

    receiver.until(all_told, seconds=180)
    assert {len(each) for archive_hash, each in ids.items() if archive_hash in expected} == {1}
