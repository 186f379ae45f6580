"""A host that throttles, and two workers that pull two archives of its files: its pace is shared."""

import io
import socket
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.fixtures import Launch
from tests.support.origin import File, Origin, Pattern
from tests.support.throttled import Limits, refusal
from tests.support.workers import connect, workers


def received(client: socket.socket, hash: str) -> bytes:
    """Return the archive as the worker that this client is connected to gives it."""
    with client:
        client.settimeout(120)
        client.sendall(f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), answer[:500]
    return body


SLOW = [({"connections": 1}, 40), ({"connections": 2}, 60), ({"rate": 5}, 50), ({"rate": 20}, 150)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("allowed", "files"), [({"rate": 20}, 30), *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)]
)
def test_two_workers_share_the_pace_of_a_host(allowed: dict[str, Any], files: int, launch: Launch) -> None:
    """Every entry of both archives arrives, and after ten seconds less than a fifth of the answers are refusals."""
    with Origin() as origin:
        limits = Limits(origin=origin, refusal=lambda: refusal(429 if "rate" in allowed else 503), **allowed)
        bodies = [Pattern(3000 + number)[:] for number in range(files)]
        for number, body in enumerate(bodies):
            origin.serve(f"/{number}", limits.file(File(body, drip=1500, pause=0.02 if "rate" not in allowed else 0)))
        gateway = launch(allow=[origin.authority], workers="2", probe_wait="100")
        entries = [
            {"url": origin.url(f"/{number}"), "name": f"{number}.bin", "size": len(body)}
            for number, body in enumerate(bodies)
        ]
        halves = [entries[::2], entries[1::2]]
        hashes = [gateway.create(entries=half, compression="store")["archive_hash"] for half in halves]
        clients = [connect(gateway, worker) for worker in workers(gateway)]
        with ThreadPoolExecutor(2) as pool:
            archives = list(pool.map(received, clients, hashes))
        for archive, half in zip(archives, (bodies[::2], bodies[1::2]), strict=True):
            with zipfile.ZipFile(io.BytesIO(archive)) as opened:
                assert [opened.read(name) for name in opened.namelist()] == half
        assert limits.refused_after(10) < 0.2
