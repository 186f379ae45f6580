"""kill -9 at random moments of life, while clients create, prefetch, download and resume: each promise is kept.

A seed gives the moments and what the clients choose; what the machine is just doing then is its own.
"""

import io
import random
import sqlite3
import threading
import zipfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.workers import kill_all, kill_one

MIB = 1 << 20
CREATES = 2  # of each client in a life: the last life has to build all that was promised
TEXT = b"".join(b"%d,%x\n" % (number, number * 2654435761 % 4294967296) for number in range(30_000))

FILES = {
    "small.png": File(Pattern(5_000)),
    "large.png": File(Pattern(MIB + 77), pause=0.006),  # slow enough to be met half-way
    "text.csv": File(TEXT, pause=0.006),
}
WEAK = {  # in archives of unknown length: the copy alone proves what they were
    "long.csv": File(TEXT * 4, pause=0.006, etag=None, ranges=False),
    "unsized.png": File(Pattern(MIB + 500_000), pause=0.006, etag=None, ranges=False, chunked=True),
}
BODIES = {name: file.body[:] for name, file in (FILES | WEAK).items()}


@dataclass
class Promise:
    """An archive whose create was acknowledged, and what a client has of it."""

    hash: str
    prefetched: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    etag: str | None = None
    whole: bytes | None = None  # as the first full download had it
    held: bytes = b""  # of a download that was broken


class Clients:
    """They create, prefetch, download and resume until the gateway dies, and note what they were told."""

    def __init__(self, gateway: Gateway, origin: Origin, prefix: str, chance: random.Random) -> None:
        for name, file in (FILES | WEAK).items():
            origin.serve(f"{prefix}/{name}", file)
        self._gateway = gateway
        self._urls = [origin.url(f"{prefix}/{name}") for name in FILES]
        self._weak = [origin.url(f"{prefix}/{name}") for name in WEAK]
        self._chance = chance
        self._numbers = count()
        self.promises: list[Promise] = []
        self.resumed = 0
        self._threads: list[threading.Thread] = []
        self._wrong: list[BaseException] = []

    def begin(self) -> None:
        """Start them; they end with the gateway."""
        seeds = [self._chance.random() for _ in range(4)]
        jobs: list[Callable[[random.Random], None]] = [self._create, self._create, self._download, self._download]
        self._threads = [
            threading.Thread(target=self._run, args=(job, random.Random(seed)), daemon=True)
            for job, seed in zip(jobs, seeds, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Wait for them, and fail where one saw what must not be."""
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()
        for error in self._wrong:
            raise error

    def _run(self, job: Callable[[random.Random], None], chance: random.Random) -> None:
        try:
            with suppress(httpx.TransportError):  # the gateway died
                job(chance)
        except BaseException as error:
            self._wrong.append(error)

    def _create(self, chance: random.Random) -> None:
        for _ in range(CREATES):
            number, prefetch = next(self._numbers), chance.random() < 0.5
            sort = {"compression": "store", "urls": self._urls}
            if number % 3 == 0:  # of unknown length until it is completed
                sort = {"compression": "deflate", "urls": self._urls + self._weak}
            created = self._gateway.create(**sort, filename=f"{number}.zip", prefetch=prefetch)
            self.promises.append(Promise(created["archive_hash"], prefetch))

    def _download(self, chance: random.Random) -> None:
        while True:
            if not self.promises:
                self._gateway.client.get("/healthz")  # it fails once the gateway is dead
                continue
            broken = [promise for promise in self.promises if promise.held and not promise.lock.locked()]
            fresh = [promise for promise in self.promises if promise.whole is None and not promise.lock.locked()]
            promise = chance.choice(broken or (fresh if chance.random() < 0.8 else []) or self.promises)
            with promise.lock:
                self.fetch(promise)

    def fetch(self, promise: Promise) -> None:
        """The archive, from where the last download broke. It must be what it was before."""
        fields = {"Range": f"bytes={len(promise.held)}-", "If-Range": promise.etag or ""} if promise.held else {}
        path = f"/archive/get/{promise.hash}.zip"
        with self._gateway.client.stream("GET", path, headers=fields) as response:
            assert response.status_code == (206 if promise.held else 200), (response.read(), fields)
            self.resumed += response.status_code == 206
            etag, received = response.headers.get("etag"), bytearray(promise.held)
            assert promise.etag in (None, etag)
            promise.etag = etag
            try:
                for block in response.iter_raw():
                    received += block
            except httpx.TransportError:
                # What came before the break is right, and may be continued where it has an ETag.
                assert promise.whole is None or promise.whole.startswith(received)
                promise.held = bytes(received) if etag else b""
                raise
        promise.held = b""
        whole = bytes(received)
        check(whole)
        assert promise.whole in (None, whole)
        promise.whole = whole


def check(archive: bytes) -> None:
    """Every member is there, with its file's bytes."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        found = {name: opened.read(name) for name in opened.namelist()}
    assert found == {name: BODIES[name] for name in found}
    assert len(found) in (len(FILES), len(BODIES))


def live(gateway: Gateway, workers: int, clients: Clients, chance: random.Random) -> int:
    """One life, from the start to its end by `kill -9`; how many kills that were."""
    if chance.random() < 0.2:  # before it answers
        killer = threading.Timer(chance.uniform(0.02, 0.9), kill_begun, [gateway])
        killer.start()
        with suppress(AssertionError, httpx.TransportError):
            gateway.start()
        killer.join()
        gateway.wait()
        return 1
    gateway.start()
    clients.begin()
    kills = 1
    pause(chance.uniform(0, chance.choice([0.05, 0.4, 0.8])))
    if workers > 1 and chance.random() < 0.7:
        kill_one(gateway, chance)
        pause(chance.uniform(0, 0.4))
        kills += 1
    kill_all(gateway)
    gateway.wait()
    clients.end()
    return kills


def kill_begun(gateway: Gateway) -> None:
    """Kill it once there is a process: where the machine is busy, to make one takes longer than the moment chosen."""
    while not gateway.runs:
        pause(0.001)
    kill_all(gateway)


def pause(seconds: float) -> None:
    """Let the gateway live on: nothing is waited for here, the moment is the point."""
    threading.Event().wait(seconds)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("workers", "kills"),
    [(1, 24), (2, 12), pytest.param(1, 130, marks=pytest.mark.slow), pytest.param(2, 70, marks=pytest.mark.slow)],
)
def test_no_promise_is_broken_when_the_gateway_is_killed_anywhere(
    launch: Launch, origin: Origin, workers: int, kills: int
) -> None:
    """What create acknowledged is there and can be downloaded, prefetches complete by themselves, a download goes on
    where it broke, the bytes and the ETag are always the same, and nothing is left on disk but the copies.
    """
    chance = random.Random(20260602 + kills)
    gateway = launch(workers=str(workers))
    clients = Clients(gateway, origin, f"/anywhere/{workers}/{kills}", chance)
    kill_all(gateway)
    gateway.wait()
    done = 0
    # What clients do is chance: a few lives more, where none of them has resumed a download yet.
    while done < kills or (done < 3 * kills and not (clients.resumed and len(clients.promises) >= kills / 3)):
        done += live(gateway, workers, clients, chance)

    gateway.start()
    for promise in clients.promises:
        if promise.prefetched:
            gateway.until(promise.hash, seconds=120)
        clients.fetch(promise)
        gateway.until(promise.hash)
        clients.fetch(promise)
    assert len(clients.promises) >= kills / 3
    assert clients.resumed
    assert left_over(gateway) == []


def left_over(gateway: Gateway) -> list[str]:
    """What lies beside the copies of the archives that the store knows: with them there is their journal and lock.

    A create that was killed before its answer may be among them: it was made and not acknowledged.
    """
    with closing(sqlite3.connect(f"file:{gateway.data}/streamzip.db?mode=ro", uri=True)) as store:
        known = {hash for (hash,) in store.execute("SELECT hash FROM archives")}
    files = list((gateway.data / "spool").glob("*/*"))
    taken = sum(path.stat().st_blocks * 512 for path in files)
    copies = sum(path.stat().st_size for path in files if path.suffix == ".zip")
    assert taken <= 1.5 * copies
    return [path.name for path in files if path.stem not in known or path.suffix not in {".zip", ".journal", ".lock"}]
