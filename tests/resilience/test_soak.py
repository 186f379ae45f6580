"""Hours of scripted life, by `SOAK=2h` (the default), `24h` or `2m`: what must not grow does not."""

import io
import os
import random
import re
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, HangUp, Origin, Pattern, Status

MIB = 1 << 20
UNITS = {"s": 1, "m": 60, "h": 3600}
CLIENTS = 4
CACHE = 32 * MIB
# What each may grow by over the whole of the measured time, by the line that fits best.
MOST_GROWTH = {"memory": 24.0 * MIB, "descriptors": 24.0, "threads": 4.0, "disk": 24.0 * MIB, "database": 8.0 * MIB}


def duration() -> float:
    """Return the seconds that SOAK asks for."""
    asked = re.fullmatch(r"(\d+)([smh])", os.environ.get("SOAK", "2h"))
    assert asked is not None, "SOAK is written as 2m, 2h or 24h"
    return int(asked[1]) * UNITS[asked[2]]


@dataclass
class Life:
    """Clients that create, download, prefetch, break off and delete, until they are told to stop."""

    gateway: Gateway
    urls: list[str]
    bodies: dict[str, bytes]
    lifetime: int
    stop: threading.Event = field(default_factory=threading.Event)
    done: dict[str, int] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)

    def run(self, seed: int) -> None:
        """Live as one client."""
        chance = random.Random(seed)
        verbs: list[Callable[[httpx.Client, random.Random, str], None]] = [
            *(self.whole, self.broken_off, self.prefetched, self.deleted, self.failing)
        ]
        try:
            with httpx.Client(base_url=self.gateway.base, trust_env=False, timeout=60) as client:
                number = 0
                while not self.stop.wait(0.05):
                    verb, number = chance.choice(verbs), number + 1
                    verb(client, chance, f"{seed}-{number}")
                    self.done[verb.__name__] = self.done.get(verb.__name__, 0) + 1
        except BaseException as error:
            self.failures.append(error)

    def create(self, client: httpx.Client, name: str, urls: list[str], **options: object) -> dict[str, str]:
        """Create an archive of these files, which no other one has."""
        body = {"urls": [f"{url}?{name}" for url in urls], "expires_in": self.lifetime, **options}
        answer = client.post("/api/archive/create", json=body)
        assert answer.status_code == 201, answer.text
        document: dict[str, str] = answer.json()
        return document

    def whole(self, client: httpx.Client, chance: random.Random, name: str) -> None:
        """Download an archive, and compare each file."""
        urls = chance.sample(self.urls, 2)
        created = self.create(client, name, urls, compression=chance.choice(["store", "auto"]))
        with zipfile.ZipFile(io.BytesIO(client.get(created["url"]).content)) as archive:
            assert sorted(map(archive.read, archive.namelist())) == sorted(self.bodies[url] for url in urls)

    def broken_off(self, client: httpx.Client, chance: random.Random, name: str) -> None:
        """Leave in the middle, and take the rest later."""
        created = self.create(client, name, self.urls)
        with client.stream("GET", created["url"]) as answer:
            held = next(answer.iter_bytes(chance.randrange(1, MIB)))
            etag = answer.headers["etag"]
        rest = client.get(created["url"], headers={"Range": f"bytes={len(held)}-", "If-Range": etag})
        assert rest.status_code == 206
        assert zipfile.ZipFile(io.BytesIO(held + rest.content)).testzip() is None

    def prefetched(self, client: httpx.Client, _: random.Random, name: str) -> None:
        """Have one built in the background."""
        self.create(client, name, self.urls, prefetch=True)

    def deleted(self, client: httpx.Client, _: random.Random, name: str) -> None:
        """Delete one that was just downloaded."""
        created = self.create(client, name, self.urls[:1])
        assert client.get(created["url"]).status_code == 200
        headers = {"X-Delete-Token": created["delete_token"]}
        assert client.delete(f"/api/archive/{created['archive_hash']}", headers=headers).status_code == 204

    def failing(self, client: httpx.Client, chance: random.Random, name: str) -> None:
        """Ask for files that cannot be had."""
        base = self.urls[0].rpartition("/")[0]
        created = self.create(client, name, [f"{base}/{chance.choice(['gone', 'cut'])}"])
        assert client.get(created["url"]).status_code == 502


def measured(gateway: Gateway) -> dict[str, float]:
    """Return what must not grow."""
    spool = [path.stat().st_blocks * 512 for path in (gateway.data / "spool").rglob("*") if path.is_file()]
    database = [path.stat().st_size for path in gateway.data.glob("streamzip.db*")]
    return {
        "memory": gateway.memory(),
        "descriptors": gateway.descriptors(),
        "threads": len(list(Path(f"/proc/{gateway.pid}/task").iterdir())),
        "disk": sum(spool),
        "database": sum(database),
    }


def growth(samples: list[tuple[float, float]]) -> float:
    """Return how much the line that fits best rises from the first sample to the last (least squares)."""
    middle = sum(at for at, _ in samples) / len(samples)
    level = sum(value for _, value in samples) / len(samples)
    above = sum((at - middle) * (value - level) for at, value in samples)
    return above / sum((at - middle) ** 2 for at, _ in samples) * (samples[-1][0] - samples[0][0])


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(0)
def test_nothing_grows_while_a_gateway_lives(launch: Launch, origin: Origin) -> None:
    """Creates, downloads, resumes, prefetches, evictions, deletions, failures: every answer is right, and memory,
    descriptors, threads, disk and database stay where they were after the first third.
    """
    files = {"a": Pattern(300_000), "b": Pattern(MIB + 7), "c": Pattern(5_000)}
    for name, body in files.items():
        origin.serve(f"/soak/{name}", File(body))
    origin.serve("/soak/gone", Status(404))
    origin.serve("/soak/cut", HangUp())
    seconds = duration()
    gateway = launch(cache_max_bytes=str(CACHE), max_attempts="1", access_log="off")
    bodies = {origin.url(f"/soak/{name}"): body[:] for name, body in files.items()}
    life = Life(gateway, list(bodies), bodies, lifetime=int(max(60.0, min(600.0, seconds / 6))))
    clients = [threading.Thread(target=life.run, args=(seed,)) for seed in range(CLIENTS)]
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in MOST_GROWTH}
    began = time.monotonic()
    for client in clients:
        client.start()
    try:
        while (now := time.monotonic() - began) < seconds and not life.failures:
            if now >= max(seconds / 3, 1.2 * life.lifetime):
                for name, value in measured(gateway).items():
                    samples[name].append((now, value))
            time.sleep(min(10.0, seconds / 60))
    finally:
        life.stop.set()
        for client in clients:
            client.join()
    assert life.failures == []
    print(f"\nsoak of {seconds:.0f} s: {life.done}")
    grown = {name: growth(taken) for name, taken in samples.items()}
    for name, taken in samples.items():
        an_hour = grown[name] / (taken[-1][0] - taken[0][0]) * 3600
        print(f"  {name:<12} {taken[0][1]:>12,.0f} to {taken[-1][1]:>12,.0f}, {an_hour:>+14,.1f} an hour")
    assert {name: rise for name, rise in grown.items() if rise > MOST_GROWTH[name]} == {}
