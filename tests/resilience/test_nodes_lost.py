"""Gateways of one store that are killed, paused and lost, with readers at them: proofs of minutes."""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import Signals

import httpx
import pytest

from streamzip.archives.others import SUSPECTED
from streamzip.store.nodes import LOST
from tests.support.cluster import Cluster
from tests.support.nginx import NginxBalancer
from tests.support.origin import File, Origin, Pattern

pytestmark = [pytest.mark.needs("postgresql", "nginx"), pytest.mark.cluster, pytest.mark.slow]

MIB = 1 << 20


@pytest.fixture
def cluster(origin: Origin, tmp_path: Path) -> Iterator[Cluster]:
    """Three gateways of a new store."""
    with Cluster(tmp_path, origin, nodes=3) as cluster:
        yield cluster


@pytest.fixture
def front(cluster: Cluster) -> Iterator[NginxBalancer]:
    """The nginx that is shipped for them."""
    with cluster.balancer() as front:
        yield front


def client_of(front: NginxBalancer) -> httpx.Client:
    """Return a client of the balancer."""
    return httpx.Client(base_url=front.base, trust_env=False, timeout=60)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_proof_2_killed_owner_costs_the_origin_little(
    cluster: Cluster, front: NginxBalancer, origin: Origin, share: float
) -> None:
    """Killed at a tenth, the half or nine tenths of a download, whose client resumes: the bytes are the same, the rest
    begins within two seconds, and the origin sends at most 64 MiB more than the file has: what the dead gateway was
    ahead of its reader, and what it had not told of.
    """
    size, path = 512 * MIB, f"/lost/{share}"
    origin.serve(path, File(Pattern(size), drip=256 << 10, pause=0.02))  # some 12 MiB a second and connection
    with client_of(front) as client:
        hash = client.post("/api/archive/create", json={"urls": [origin.url(path)]}).json()["archive_hash"]
        digest, received = hashlib.sha256(), 0
        with client.stream("GET", f"/archive/get/{hash}.zip") as response:
            length, etag = int(response.headers["content-length"]), response.headers["etag"]
            owner = None
            with contextlib.suppress(httpx.RemoteProtocolError):
                for block in response.iter_raw():
                    digest.update(block)
                    received += len(block)
                    if owner is None and received > share * length:
                        owner = cluster.owner(hash)
                        owner.kill()
        began = time.monotonic()
        first = None
        resume = {"Range": f"bytes={received}-", "If-Range": etag}
        with client.stream("GET", f"/archive/get/{hash}.zip", headers=resume) as rest:
            assert (rest.status_code, rest.headers["etag"]) == (206, etag)
            for block in rest.iter_raw():
                first = first or time.monotonic() - began
                digest.update(block)
                received += len(block)
        print(f"{share}: origin sent {origin.sent(path) / size:.3f} of the file, first byte after {first:.2f} s")
        assert received == length
        assert origin.sent(path) <= size + 64 * MIB
        whole = hashlib.sha256(client.get(f"/archive/get/{hash}.zip").content)
        assert digest.digest() == whole.digest()
        assert first is not None
        assert first <= 2.0


def test_proof_1_fifty_readers_cause_one_pass_behind_affinity_and_three_without(
    cluster: Cluster, front: NginxBalancer, origin: Origin
) -> None:
    """Through the balancer the origin sends each file once; spread over three gateways at most three times, and all
    readers have the same bytes.
    """
    size = 32 * MIB
    files = [f"/fifty/{number}" for number in range(4)]
    for through in ("the balancer", "any"):
        for file in files:
            origin.serve(f"{file}/{through[:3]}", File(Pattern(size)))
        urls = [origin.url(f"{file}/{through[:3]}") for file in files]
        hash = cluster.nodes[0].create(urls=urls)["archive_hash"]
        bases = [front.base] if through == "the balancer" else [node.base for node in cluster.nodes]

        def read(number: int, bases: list[str] = bases, hash: str = hash) -> str:
            with httpx.Client(base_url=bases[number % len(bases)], trust_env=False, timeout=120) as client:
                digest = hashlib.sha256()
                with client.stream("GET", f"/archive/get/{hash}.zip") as response:
                    assert response.status_code == 200
                    for block in response.iter_raw():
                        digest.update(block)
            return digest.hexdigest()

        with ThreadPoolExecutor(50) as threads:
            assert len(set(threads.map(read, range(50)))) == 1
        sent = sum(origin.sent(f"{file}/{through[:3]}") for file in files) / (size * len(files))
        print(f"through {through}: the origin sent {sent:.4f} of the files")
        assert sent <= (1.001 if through == "the balancer" else 3.001)


def test_proof_3_archive_that_only_a_lost_node_could_prove_is_stale(cluster: Cluster, origin: Origin) -> None:
    """Nothing is given out that could be other bytes: at first there is hope that the node comes back."""
    a, b = cluster.nodes[:2]
    origin.serve("/weak/lost", File(Pattern(4 * MIB), etag=None, modified=None, hold_at=2 * MIB))
    hash = a.create(urls=[origin.url("/weak/lost")])["archive_hash"]
    with a.client.stream("GET", f"/archive/get/{hash}.zip") as response:
        next(response.iter_raw())
        a.kill()
    assert (b.get(hash).status_code, b.get(hash).json()["code"]) == (503, "elsewhere")
    deadline = time.monotonic() + LOST + SUSPECTED + 20
    while (answer := b.get(hash)).status_code == 503:
        assert time.monotonic() < deadline
        time.sleep(1)
    assert (answer.status_code, answer.json()["code"]) == (409, "origin_changed")
    a.start()
    assert a.get(hash).status_code == 409


def test_paused_node_follows_what_was_decided_meanwhile(cluster: Cluster, origin: Origin) -> None:
    """A reader of a deleted archive is cut within ten seconds after its node goes on."""
    a, b = cluster.nodes[:2]
    origin.serve("/paused/a", File(Pattern(4 * MIB), hold_at=2 * MIB))
    created = a.create(urls=[origin.url("/paused/a")])
    hash = created["archive_hash"]
    with b.client.stream("GET", f"/archive/get/{hash}.zip") as response:
        blocks = response.iter_raw()
        next(blocks)
        b.send(Signals.SIGSTOP)
        try:
            deleted = a.client.delete(f"/api/archive/{hash}", headers={"X-Delete-Token": created["delete_token"]})
            assert deleted.status_code == 204
            cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        finally:
            b.send(Signals.SIGCONT)
        began = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in blocks:
                pass
        assert time.monotonic() - began < 10
    assert b.get(hash).status_code == 404
