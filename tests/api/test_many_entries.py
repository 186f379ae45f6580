"""Ten thousand entries: an answer in under a second, and the right archive. A million, where allowed: bounded."""

import io
import json
import threading
import time
import zipfile

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

COUNT = 10_000


def test_ten_thousand_entries_are_created_in_under_a_second_and_packed_right(gateway: Gateway, origin: Origin) -> None:
    """Create only keeps the list; the GET that follows has every file under its name, in order, as announced."""
    for number in range(COUNT):
        origin.serve(f"/ten-thousand/{number:05d}.jpg", File(b"file %d" % number))
    urls = [origin.url(f"/ten-thousand/{number:05d}.jpg") for number in range(COUNT)]
    began = time.perf_counter()
    created = gateway.create(urls=urls)
    took = time.perf_counter() - began
    assert took < 1.0
    assert created["entries"] == COUNT

    response = gateway.get(created["archive_hash"])
    assert len(response.content) == int(response.headers["content-length"])
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == [f"{number:05d}.jpg" for number in range(COUNT)]
        assert all(archive.read(f"{number:05d}.jpg") == b"file %d" % number for number in range(COUNT))
    assert gateway.until(created["archive_hash"])["errors"] == []


MILLION = 1_000_000
ALLOWED = {"max_entries": str(MILLION), "max_body_bytes": "1GiB"}


def slowest_status(gateway: Gateway, hash: str, ended: threading.Event, slowest: list[float]) -> None:
    """Ask for a status again and again, and note how long the slowest answer took."""
    while not ended.is_set():
        began = time.perf_counter()
        gateway.status(hash)
        slowest[0] = max(slowest[0], time.perf_counter() - began)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("form", ["urls", "entries"])
def test_a_million_entries_are_created_in_half_a_minute_and_bounded_memory(
    launch: Launch, origin: Origin, form: str
) -> None:
    """Up to 500 MB more for it, and others are served meanwhile."""
    gateway = launch(**ALLOWED)
    small = gateway.create(urls=[origin.url("/million/small")])["archive_hash"]
    urls = [f"https://files.example.invalid/photos/2026/{number:07d}.jpg" for number in range(MILLION)]
    rows = [
        {"url": url, "name": f"holiday/{number // 1000}/{number:07d}.jpg", "size": 5 << 20}
        for number, url in enumerate(urls)
    ]
    body = json.dumps({form: urls if form == "urls" else rows}).encode()
    idle, ended, slowest = gateway.memory(), threading.Event(), [0.0]
    asking = threading.Thread(target=slowest_status, args=(gateway, small, ended, slowest))
    asking.start()
    try:
        began = time.perf_counter()
        response = gateway.client.post("/api/archive/create", content=body, timeout=120)
        took = time.perf_counter() - began
    finally:
        ended.set()
        asking.join()
    assert (response.status_code, response.json()["entries"]) == (201, MILLION)
    grown = (gateway.peak_memory() - idle) / 1e6
    print(f"{form}: {took:.1f} s, +{grown:.0f} MB, slowest status {slowest[0]:.2f} s")
    assert took < 30
    assert grown < 500
    assert slowest[0] < 2


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ten_million_entries_are_refused_before_they_are_read(launch: Launch) -> None:
    """413 for little more memory than the body itself takes, and it is given back; by its length alone where that says
    enough.
    """
    body = b'{"urls":["http://files.example.invalid/1"' + b',"http://files.example.invalid/1"' * (10 * MILLION) + b"]}"
    gateway = launch("bodies", **ALLOWED)
    idle = gateway.memory()
    response = gateway.client.post("/api/archive/create", content=body, timeout=120)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert gateway.peak_memory() - idle < 1.6 * len(body) + (64 << 20)
    deadline = time.monotonic() + 20
    while gateway.memory() - idle > 64 << 20:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    gateway = launch("default")
    idle = gateway.memory()
    response = gateway.client.post("/api/archive/create", content=body, timeout=120)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert gateway.peak_memory() - idle < 16 << 20
