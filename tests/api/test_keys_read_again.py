"""SIGHUP: keys are read again, by every process, and no connection is lost for it."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import Signals

import pytest

from streamzip.access.api_keys import new_key
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.workers import kill_one
from tests.support.workers import workers as processes


@pytest.mark.alone
def test_hangup_reads_the_keys_again(launch: Launch, tmp_path: Path) -> None:
    """A key that was taken out is refused, a new one let in, also by a worker that is begun later; keys that cannot be
    read leave the old ones standing.
    """
    (ann, ann_line), (bob, bob_line), (root, root_line) = map(new_key, ("ann", "bob", "root"))
    keys, admins = tmp_path / "keys", tmp_path / "admins"
    keys.write_text(ann_line)
    admins.write_text(root_line)
    gateway = launch(api_keys_file=str(keys), admin_keys_file=str(admins), workers="2")

    def status(key: str, path: str = "/api/archive") -> set[int]:
        """Ask often enough to meet both workers."""
        headers = {"Authorization": f"Bearer {key}"}
        processes(gateway)
        return {gateway.client.get(path, headers=headers).status_code for _ in range(8)}

    def hang_up(event: str) -> None:
        after = len(gateway.log)
        gateway.send(Signals.SIGHUP)
        lines = [gateway.logged(event, after=after)]
        gateway.logged(event, after=gateway.log.index(lines[0], after) + 1)

    assert (status(ann), status(bob)) == ({200}, {401})
    keys.write_text(f"{bob_line}\n")
    hang_up("keys_read")
    assert (status(ann), status(bob), status(root, "/api/admin/queue")) == ({401}, {200}, {200})
    kill_one(gateway, random.Random(1))
    gateway.logged("worker_died")
    assert (status(ann), status(bob)) == ({401}, {200})  # by the one that took its place too
    keys.write_text("no key")
    hang_up("keys_not_read")
    assert (status(ann), status(bob)) == ({401}, {200})
    os.kill(gateway.pid, 0)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_hangup_during_a_start_waits(tmp_path: Path, workers: str) -> None:
    """A service manager may reload what it has just started: that must not end it."""
    with ThreadPoolExecutor(1) as pool:
        gateway = Gateway(tmp_path / "data", workers=workers)
        started = pool.submit(gateway.start)
        gateway.logged("listening")
        gateway.send(Signals.SIGHUP)
        started.result(40)
        assert gateway.logged("keys_read")
        assert gateway.stop() == 0
