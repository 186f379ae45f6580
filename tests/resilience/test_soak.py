"""Hours of scripted life, by `SOAK=2h` (the default), `24h` or `2m`: what must not grow does not."""

import io
import os
import random
import re
import sqlite3
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import closing, suppress
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
# What each may grow by over the whole of the measured time, by the line that fits best. How many archives stand goes
# with the machine's load: the database is counted beyond their rows.
MOST_GROWTH = {"memory": 8.0 * MIB, "descriptors": 12.0, "threads": 4.0, "database": 1.0 * MIB}
# What each may be at any time. Files are counted beyond those of archives that stand: copy, journal and locks of each.
MOST = {"disk": CACHE + 8.0 * MIB, "files": 100.0, "journal": 20.0 * MIB}
FILES_EACH = 3
ROWS_EACH = 1400  # bytes of the database that an archive of one to three files takes, as measured
EMPTY = 512 << 10  # bytes of a database without an archive, at most: 49 pages of 4 KiB at first, and room in them
BARE_FOR = 60 + 15  # seconds for which a lock file may stay that nobody uses, and until it is looked at


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
            assert answer.status_code == 200, answer.read()
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


def on_shelf(gateway: Gateway) -> list[os.stat_result]:
    """What lies where the copies are; without what goes while it is looked at."""
    found: list[os.stat_result] = []
    for path in (gateway.data / "spool").rglob("*.*"):
        with suppress(FileNotFoundError):
            found.append(path.stat())
    return found


def measured(gateway: Gateway) -> dict[str, float]:
    """Return what must not grow."""
    standing, files = gateway.stored(), on_shelf(gateway)
    return {
        "archives": standing,
        "memory": gateway.memory(),
        "descriptors": gateway.descriptors(),
        "threads": len(list(Path(f"/proc/{gateway.pid}/task").iterdir())),
        "disk": sum(file.st_blocks * 512 for file in files),
        "files": len(files) - FILES_EACH * standing,
        "database": database(gateway) - ROWS_EACH * standing,
        "journal": (gateway.data / "streamzip.db-wal").stat().st_size,
    }


def database(gateway: Gateway) -> int:
    """Return the bytes of the database, without its journal."""
    with closing(sqlite3.connect(f"file:{gateway.data}/streamzip.db?mode=ro", uri=True)) as store:
        return int(
            store.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
        )


def rows(gateway: Gateway) -> dict[str, int]:
    """Return how many rows each table has that has any."""
    with closing(sqlite3.connect(f"file:{gateway.data}/streamzip.db?mode=ro", uri=True)) as store:
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        tables = [name for (name,) in store.execute(query)]
        counts = {name: int(store.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) for name in tables}
    return {name: count for name, count in counts.items() if count}


def growth(samples: list[tuple[float, float]]) -> float:
    """Return how much the line that fits best rises from the first sample to the last (least squares)."""
    middle = sum(at for at, _ in samples) / len(samples)
    level = sum(value for _, value in samples) / len(samples)
    above = sum((at - middle) * (value - level) for at, value in samples)
    return above / sum((at - middle) ** 2 for at, _ in samples) * (samples[-1][0] - samples[0][0])


def sample(life: Life, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """Measure now and then, from a third of the time on, once the first archives have expired."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in ("archives", *MOST_GROWTH, *MOST)}
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds and not life.failures:
        if now >= max(seconds / 3, 1.2 * life.lifetime):
            for name, value in measured(life.gateway).items():
                samples[name].append((now, value))
        time.sleep(min(10.0, seconds / 60))
    return samples


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(0)
def test_nothing_grows_while_a_gateway_lives(launch: Launch, origin: Origin) -> None:
    """Creates, downloads, resumes, prefetches, evictions, deletions, failures: every answer is right, and memory,
    descriptors, threads, disk and database stay where they were after the first third. Once the last archive has
    expired, nothing of any of them is left.
    """
    files = {"a": Pattern(300_000), "b": Pattern(MIB + 7), "c": Pattern(5_000)}
    for name, body in files.items():
        origin.serve(f"/soak/{name}", File(body))
    origin.serve("/soak/gone", Status(404))
    origin.serve("/soak/cut", HangUp())
    seconds = duration()
    gateway = launch(cache_max_bytes=str(CACHE), max_attempts="1", access_log="off")
    fixed, descriptors = rows(gateway), gateway.descriptors()
    bodies = {origin.url(f"/soak/{name}"): body[:] for name, body in files.items()}
    life = Life(gateway, list(bodies), bodies, lifetime=int(max(20.0, min(600.0, seconds / 6))))
    clients = [threading.Thread(target=life.run, args=(seed,)) for seed in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        samples = sample(life, seconds)
    finally:
        life.stop.set()
        for client in clients:
            client.join()
    assert life.failures == []
    print(f"\nsoak of {seconds:.0f} s: {life.done}")
    for name, taken in samples.items():
        an_hour = growth(taken) / (taken[-1][0] - taken[0][0]) * 3600
        print(f"  {name:<12} {taken[0][1]:>12,.0f} to {taken[-1][1]:>12,.0f}, {an_hour:>+14,.1f} an hour")
    grown = {name: rise for name, most in MOST_GROWTH.items() if (rise := growth(samples[name])) > most}
    above = {name: value for name, most in MOST.items() if (value := max(value for _, value in samples[name])) > most}
    assert (grown, above) == ({}, {})

    deadline = time.monotonic() + life.lifetime + 2 * BARE_FOR
    while (rows(gateway), len(on_shelf(gateway))) != (fixed, 0) and time.monotonic() < deadline:
        time.sleep(1)
    left = {name: count for name, count in rows(gateway).items() if count != fixed.get(name)}
    print(f"  afterwards   {left} rows, {len(on_shelf(gateway))} files, {database(gateway):,} bytes of database")
    assert (left, len(on_shelf(gateway))) == ({}, 0)
    assert database(gateway) <= EMPTY
    assert gateway.descriptors() <= descriptors + 12
