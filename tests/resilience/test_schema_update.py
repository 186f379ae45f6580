"""Gateways of two releases on one store, the later of which has a newer schema (proof 7)."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from streamzip.store.migrations import STEPS
from tests.support.cluster import SECRETS, Cluster
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin

pytestmark = [
    *(pytest.mark.needs("postgresql", "nginx"), pytest.mark.cluster, pytest.mark.slow),
    pytest.mark.timeout(300),
]

PAUSE = 0.25  # seconds
# The next release: this one, and a step more that only adds to what is there.
NEXT = """
import sys
from sqlalchemy import text
from streamzip.store import migrations
def apply(connection):
    connection.execute(text("ALTER TABLE archives ADD COLUMN of_the_next_release text"))
    connection.execute(text("CREATE TABLE of_the_next_release (id text PRIMARY KEY)"))
migrations.STEPS = (*migrations.STEPS, apply)
sys.argv = sys.argv[1:]
from streamzip.cli import main
main()
"""
UNDER = [sys.executable, "-c", NEXT]


class Creating:
    """Creates through the balancer from several threads; `failed` are the answers that were no 201."""

    def __init__(self, base: str, origin: Origin) -> None:
        self.made: list[str] = []
        self.failed: list[str] = []
        self._base = base
        self._url = origin.url("/update/a")
        self._ends = threading.Event()

    def _create(self, mine: int) -> None:
        number = 0
        own = httpx.HTTPTransport(local_address=f"127.0.0.{10 + mine}")  # nginx limits what each of them may create
        with httpx.Client(base_url=self._base, trust_env=False, timeout=60, transport=own) as client:
            while not self._ends.wait(PAUSE):
                number += 1
                entries = [{"url": self._url, "name": f"{mine}-{number}"}]
                answer = client.post("/api/archive/create", json={"entries": entries})
                if answer.status_code == 201:
                    self.made.append(answer.json()["archive_hash"])
                else:
                    self.failed.append(f"{answer.status_code} {answer.text[:200]}")

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._create, args=(mine,), daemon=True) for mine in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ends.set()
            for thread in threads:
                thread.join(60)


def run(command: list[str], url: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
    environment |= {"STREAMZIP_STORE_URL": url, "STREAMZIP_PUBLIC_URL": "https://zip.example"}
    environment |= {f"STREAMZIP_{name.upper()}": value for name, value in SECRETS.items()}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_proof_7_rolling_update_over_two_schemas_fails_no_create(tmp_path: Path, origin: Origin) -> None:
    """`streamzip migrate` of the next release amid creates, then one gateway after the other replaced by it, behind the
    balancer: each create is answered 201, and its archive is on all of them. An earlier release that is started then
    says in a sentence that it cannot.
    """
    origin.serve("/update/a", File(b"a"))
    with Cluster(tmp_path, origin, nodes=3) as cluster, cluster.balancer() as front:
        updated: list[Gateway] = []
        creating = Creating(front.base, origin)
        try:
            with creating.running():
                made = 0
                migrated = run([*UNDER, str(COMMAND), "migrate"], cluster.url)
                assert migrated.stderr == f"streamzip: the store has schema {len(STEPS) + 1}\n"
                for number, node in enumerate(cluster.nodes):
                    _until(creating, made := made + 20)
                    settings = {**SECRETS, "public_url": "https://zip.example", "store_url": cluster.url}
                    new = Gateway(node.data, allow=[origin.authority], under=UNDER, node=f"node-{number}", **settings)
                    new.port = node.port
                    assert node.stop() == 0
                    updated.append(new)
                    new.start()
                    made = len(creating.made)
                _until(creating, made + 20)
            print(f"{len(creating.made)} made, {len(creating.failed)} failed")
            assert creating.failed == []
            for each in updated:
                for archive_hash in creating.made[:: max(1, len(creating.made) // 50)]:
                    assert each.status(archive_hash)["progress"]["total_entries"] == 1
        finally:
            for each in updated:
                each.__exit__(None, None, None)
        late = run([str(COMMAND), "serve", "--port", "0", "--data", str(tmp_path / "late")], cluster.url)
        assert late.returncode == 1
        assert late.stderr.count("\n") == 1
        assert f"has schema {len(STEPS) + 1} and this streamzip knows {len(STEPS)}" in late.stderr


def _until(creating: Creating, made: int) -> None:
    waits = threading.Event()
    for _ in range(6000):
        if len(creating.made) >= made or creating.failed:
            return
        waits.wait(0.01)
    raise AssertionError(f"{len(creating.made)} made, and not {made}")
