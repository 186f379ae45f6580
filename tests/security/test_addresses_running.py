"""The corpus of hostile URLs against a running gateway: nothing that is not public is dialled, however it was named."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.doors import REDIRECTS, as_location
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.hostile_urls import JUDGED_AT_DIAL, hostile_urls
from tests.support.origin import File, Origin, redirect

ROOT = Path(__file__).parent.parent.parent

# How 127.0.0.1 can be written; `{port}` is a port on which somebody listens.
LOOPBACKS = [
    "http://127.0.0.1:{port}/",
    "http://127.0.0.2:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.0.0.01:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://127。0。0。1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://localhost%2e:{port}/",
    "http://a@127.0.0.1:{port}/",
    "http://127.0.0.1%00:{port}/",
    "http://127.0.0.1.:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/",
    "http://loopback:{port}/",
    "http://{name}:{port}/",
]


class Trap:
    """A listener that nobody may reach; `reached` counts who did."""

    def __init__(self, family: socket.AddressFamily, host: str, port: int) -> None:
        self._socket = socket.socket(family)
        self._socket.bind((host, port))
        self._socket.listen(64)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    @property
    def reached(self) -> int:
        """How many have connected since it was asked last."""
        count = 0
        while True:
            try:
                self._socket.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@pytest.fixture
def traps() -> Iterator[list[Trap]]:
    """Listeners on a port of the loopback, in IPv4 and where there is any in IPv6."""
    with ExitStack() as stack:
        traps = [Trap(socket.AF_INET, "0.0.0.0", 0)]
        if socket.has_ipv6:
            with suppress(OSError):
                traps.append(Trap(socket.AF_INET6, "::1", traps[0].port))
        for trap in traps:
            stack.callback(trap.close)
        yield traps


def create(gateway: Gateway, *urls: str) -> Any:
    """The answer to a create, whatever it is."""
    return gateway.client.post("/api/archive/create", content=json.dumps({"urls": urls}))


def test_create_judges_every_hostile_url_and_never_fails(gateway: Gateway) -> None:
    """Refused with the entry's pointer, where its letters condemn it; a name is judged when it is dialled."""
    for url in hostile_urls():
        response = create(gateway, url)
        assert response.status_code == 422, url
        assert response.json()["errors"][0]["pointer"] == "/urls/0"
    for url in JUDGED_AT_DIAL:
        assert create(gateway, url).status_code in (200, 201, 422), url


def test_no_spelling_of_the_loopback_is_dialled(launch: Launch, origin: Origin, traps: list[Trap]) -> None:
    """As the URL itself, and as where an origin redirects to, with every code of a redirect."""
    # A name that nobody knows is else asked for again and again, as of an origin that refuses some.
    gateway = launch(max_attempts="1", throttle_wait="0.5")
    urls = [url.format(port=traps[0].port, name=socket.gethostname()) for url in LOOPBACKS]
    origin.serve("/traps/good", File(b"good bytes"))
    taken = [url for url in urls if create(gateway, url).status_code < 400]
    redirected = []
    for number, url in enumerate(url for url in urls if as_location(url)):
        for code in REDIRECTS:
            origin.serve(f"/traps/{number}/{code}", redirect(url, code))
            redirected.append(origin.url(f"/traps/{number}/{code}"))
    hash = create(gateway, *taken, *redirected, origin.url("/traps/good")).json()["archive_hash"]
    assert b"good bytes" in gateway.download(hash)
    errors = gateway.left_out(hash)
    assert len(errors) == len(taken) + len(redirected)
    codes = {error["code"] for error in errors}
    assert codes <= {"blocked_address", "unsafe_url", "unreachable"}
    assert [trap.reached for trap in traps] == [0] * len(traps)


def test_a_blocked_port_looks_alike_whether_somebody_listens_or_not(gateway: Gateway, traps: list[Trap]) -> None:
    """Neither the answer nor the time tells a client which inner ports are open."""
    closed = Trap(socket.AF_INET, "127.0.0.1", 0)
    closed.close()
    seen = []
    for port in (traps[0].port, closed.port):
        begun = time.monotonic()
        refused = create(gateway, f"http://127.0.0.1:{port}/")
        named = create(gateway, f"http://localhost:{port}/").json()["archive_hash"]
        failed = gateway.get(named)
        errors = gateway.status(named)["errors"]
        took = time.monotonic() - begun
        said = re.sub(
            rf'{named}|:{port}|"request_id": ?"[0-9a-f]+"',
            "…",
            " ".join([refused.text, failed.text, json.dumps(errors)]),
        )
        seen.append(([refused.status_code, failed.status_code], said, took))
    assert seen[0][:2] == seen[1][:2]
    assert seen[0][0] == [422, 502]
    assert abs(seen[0][2] - seen[1][2]) < 1
    assert traps[0].reached == 0


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None,
    reason="a network namespace needs root, unshare and ip",
)
@pytest.mark.timeout(600)
@pytest.mark.parametrize("step", [30, pytest.param(1, marks=pytest.mark.slow)], ids=["quick", "all"])
@pytest.mark.alone
def test_nothing_but_public_addresses_is_dialled_in_a_network_where_all_of_them_answer(
    tmp_path: Path, step: int
) -> None:
    """400 URLs, 15 names, and a name server that lies and rebinds; named to create, as a webhook, as a page and as a
    page's image, and by redirects with each code, of two hops, on the retry, and once the file had been probed: every
    SYN is seen, and none goes where it may not. Addresses of the machine itself are among them, public ones too.
    """
    run = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.support.enclosure", str(tmp_path / "data"), str(step)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    seen = json.loads(run.stdout)
    assert seen["dialled"] == []
    assert {status for door in seen["statuses"].values() for status in door} <= {"200", "201", "422", "502"}
    assert "502" not in seen["statuses"]["create"] | seen["statuses"]["hook"]  # only a page that was tried
    archives = seen["archives"]
    assert archives["control"]["secret"]  # the canary sees, and the public is reachable
    assert seen["public"] > 0
    assert archives["named"]["good"]
    assert archives["redirected"]["good"]
    in_all_ways = 2500 if step == 1 else 400
    assert archives["redirected"]["errors"] == archives["redirected"]["asked"] - 1 >= in_all_ways
    assert archives["imaged"]["good"]
    # Some of what is no URL is a relative one, and leads back to the origin.
    assert archives["turned"]["archives"] >= 400 // step
    assert archives["turned"]["probed"] >= 0.9 * archives["turned"]["archives"]
    assert archives["turned"]["given"] == 0
    assert set(seen["pages"]) <= {"422", "502"}
    assert seen["hooks"] >= 400 // step
