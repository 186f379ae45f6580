"""Deploys in the middle of downloads, behind nginx: a new gateway takes over the socket while the old one drains."""

import io
import os
import random
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Self

import httpx
import pytest

from tests.support.gateway import Gateway
from tests.support.nginx import NginxFront
from tests.support.origin import File, Origin, Pattern
from tests.support.workers import family, kill_all

pytestmark = [pytest.mark.slow, pytest.mark.needs("nginx"), pytest.mark.timeout(600)]

MIB = 1 << 20
NAMES = ("a.png", "b.png", "c.png", "d.png")
READERS = 20
WITHIN = 2  # seconds that downloads get when a gateway drains: those of slow readers are cut


@dataclass
class Deployment:
    """Gateways on one socket and one data folder, one after another, behind one nginx."""

    listening: socket.socket
    data: Path
    origin: Origin
    stack: ExitStack
    gateways: list[Gateway] = field(default_factory=list)

    def another(self) -> Gateway:
        """Start the next release beside the one that runs."""
        gateway = Gateway.handed(
            self.listening, self.data, allow=[self.origin.authority], stop_within=str(WITHIN), workers="2"
        )
        self.gateways.append(self.stack.enter_context(gateway))
        return gateway

    def roll(self) -> None:
        """Start the next release, then end the one before."""
        before = self.gateways[-1]
        self.another()
        before.send(Signals.SIGTERM)
        assert before.wait(60) == 0


@dataclass
class Reader:
    """Downloads one archive through nginx, at its pace; whatever cuts it, it goes on by a Range with If-Range."""

    url: str
    pause: float  # seconds between two blocks
    received: bytearray = field(default_factory=bytearray)
    cuts: int = 0
    wrong: str = ""

    def run(self) -> None:
        """Go on until all of it is there."""
        with httpx.Client(trust_env=False, timeout=30) as client:
            length, etag = None, ""
            while length is None or len(self.received) < length:
                resumed = {"Range": f"bytes={len(self.received)}-", "If-Range": etag} if self.received else {}
                try:
                    with client.stream("GET", self.url, headers=resumed) as response:
                        if response.status_code in (502, 503, 504):
                            self.cuts += 1
                            time.sleep(0.1)
                            continue
                        if response.status_code != (206 if resumed else 200):
                            self.wrong = f"{response.status_code} after {len(self.received)} bytes"
                            return
                        etag = response.headers["etag"]
                        length = length or int(response.headers["content-length"])
                        for block in response.iter_raw(256 << 10):
                            self.received += block
                            time.sleep(self.pause)
                except httpx.TransportError:
                    self.cuts += 1


@dataclass
class Clients:
    """Creates and asks for statuses all the while; what went wrong is kept."""

    base: str
    url: Callable[[int], str]
    hash: str
    wrong: list[str] = field(default_factory=list)
    done: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(60)

    def _run(self) -> None:
        with httpx.Client(base_url=self.base, trust_env=False, timeout=30) as client:
            while not self._ended.wait(0.06):
                self.done += 1
                body = {"urls": [self.url(self.done)], "prefetch": self.done % 5 == 0}
                for method, path, given in (
                    ("POST", "/api/archive/create", body),
                    ("GET", f"/api/archive/status/{self.hash}", None),
                ):
                    try:
                        answer = client.request(method, path, json=given)
                    except httpx.TransportError as error:
                        self.wrong.append(f"{method} {path}: {error!r}")
                        continue
                    if not answer.is_success:
                        self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")


@pytest.fixture
def deployment(origin: Origin, tmp_path: Path) -> Iterator[Deployment]:
    """One gateway that runs."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening, ExitStack() as stack:
        deployment = Deployment(listening, tmp_path / "data", origin, stack)
        deployment.another()
        yield deployment


@contextmanager
def front(deployment: Deployment, folder: Path) -> Iterator[NginxFront]:
    """nginx, which knows the socket's address alone."""
    address = f"127.0.0.1:{deployment.listening.getsockname()[1]}"
    with NginxFront(folder, gateway=address, spool=deployment.data / "spool") as nginx:
        yield nginx


def archive(origin: Origin, base: str, name: str) -> tuple[str, str]:
    """The hash and the URL of an archive of 32 MiB whose origin is slow enough for it to take a while."""
    for number, file in enumerate(NAMES):
        origin.serve(f"/rolling/{name}/{file}", File(Pattern(8 * MIB + number), pause=0.01))
    urls = [origin.url(f"/rolling/{name}/{file}") for file in NAMES]
    created = httpx.post(f"{base}/api/archive/create", json={"urls": urls}, trust_env=False).json()
    return created["archive_hash"], f"{base}/archive/get/{created['archive_hash']}.zip"


def finish(readers: list[Reader], threads: list[threading.Thread]) -> None:
    """Every reader has the same whole archive."""
    for thread in threads:
        thread.join(240)
        assert not thread.is_alive()
    assert [reader.wrong for reader in readers if reader.wrong] == []
    whole = bytes(readers[0].received)
    assert all(reader.received == whole for reader in readers)
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        for number, file in enumerate(NAMES):
            assert opened.read(file) == Pattern(8 * MIB + number)[:]


def begin(url: str) -> tuple[list[Reader], list[threading.Thread]]:
    """Twenty readers, every second one slow."""
    readers = [Reader(url, 0.3 if number % 2 else 0.0) for number in range(READERS)]
    threads = [threading.Thread(target=reader.run, daemon=True) for reader in readers]
    for thread in threads:
        thread.start()
    return readers, threads


def test_rolling_restart_fails_no_create_and_no_status_and_cuts_no_download_for_good(
    deployment: Deployment, origin: Origin, tmp_path: Path
) -> None:
    """Three in a row under load: slow readers are cut when their time is over, and go on in the next one."""
    for number in range(2000):
        origin.serve(f"/rolling/new/{number}", File(b"new"))
    with front(deployment, tmp_path / "nginx") as nginx:
        hash, url = archive(origin, nginx.base, "rolled")
        readers, threads = begin(url)
        with Clients(nginx.base, lambda number: origin.url(f"/rolling/new/{number}"), hash) as clients:
            for _ in range(3):
                deployment.roll()
            done = clients.done
            while clients.done < done + 10:
                time.sleep(0.05)
        finish(readers, threads)
    assert clients.wrong == []
    assert clients.done > 30
    assert sum(reader.cuts for reader in readers[1::2]) > 0


def kill_some(gateway: Gateway, killed: str, chance: random.Random) -> None:
    """kill -9 of all of it, of its supervisor alone, or of a worker; of one that drains there may be none left."""
    if killed == "all of it":
        kill_all(gateway)
    elif killed == "supervisor":
        gateway.send(Signals.SIGKILL)
    elif workers := family(gateway)[1:]:
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), Signals.SIGKILL)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("killed", ["all of it", "supervisor", "worker"])
@pytest.mark.parametrize("which", ["old", "new"])
def test_kill_in_a_rolling_restart_loses_nothing(
    deployment: Deployment, origin: Origin, tmp_path: Path, which: str, killed: str, seed: int
) -> None:
    """kill -9 of any process at any moment, of the new one or of the old one that drains: what was under way in it
    fails, the next request does not, and every download is resumed to its right end.
    """
    chance = random.Random(f"{which} {killed} {seed}")
    for number in range(2000):
        origin.serve(f"/rolling/new/{number}", File(b"new"))
    with front(deployment, tmp_path / "nginx") as nginx:
        hash, url = archive(origin, nginx.base, f"{which}-{killed[:3]}-{seed}")
        readers, threads = begin(url)
        with Clients(nginx.base, lambda number: origin.url(f"/rolling/new/{number}"), hash) as clients:
            first, second = deployment.gateways[-1], deployment.another()
            first.send(Signals.SIGTERM)
            time.sleep(chance.uniform(0.0, WITHIN))  # the moment, of which none is better than another
            kill_some(first if which == "old" else second, killed, chance)
            if which == "new" and killed != "worker":
                second.wait()
                deployment.another()
            first.wait(60)
            done = clients.done
            while clients.done < done + 20:
                time.sleep(0.05)
            after = len(clients.wrong)
            done = clients.done
            while clients.done < done + 20:
                time.sleep(0.05)
        assert len(clients.wrong) == after  # what failed was under way when it was killed
        assert after <= 2 * 4
        finish(readers, threads)
