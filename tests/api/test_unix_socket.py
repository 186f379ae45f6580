"""A gateway that listens on a Unix socket, behind a real nginx."""

import stat
from pathlib import Path

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.nginx import NginxFront
from tests.support.origin import File, Origin


@pytest.mark.alone
@pytest.mark.needs("nginx")
def test_gateway_answers_on_a_unix_socket_behind_nginx(launch: Launch, origin: Origin, tmp_path: Path) -> None:
    """What the proxy says of clients is believed, others cannot reach the socket, and a next start takes its place."""
    origin.serve("/unix/a", File(b"bytes" * 1000))
    path = tmp_path / "gateway.sock"
    gateway = launch(unix=str(path), sendfile="x-accel")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert gateway.logged("copies_out_of_reach")["folder"] == str(gateway.data)
    spool = gateway.data / "spool"
    with (
        NginxFront(tmp_path / "nginx", gateway=f"unix:{path}", spool=spool) as front,
        httpx.Client(base_url=front.base, trust_env=False) as client,
    ):
        created = client.post("/api/archive/create", json={"urls": [origin.url("/unix/a")]}).json()
        assert created["url"].startswith(front.base)
        body = client.get(created["url"]).content
        assert b"bytes" * 1000 in body
        asked = gateway.logged("request")
        assert (asked["client"], asked["status"]) == ("127.0.0.1", 201)
        gateway.until(created["archive_hash"])
        gateway.kill()
        gateway.start()
        assert client.get(created["url"]).content == body
        assert client.get("/docs/", follow_redirects=True).url == f"{front.base}/docs"
    gateway.until_logged(lambda line: line.get("outcome") == "handed_over")
    assert [line["outcome"] for line in gateway.log if "outcome" in line][-1] == "handed_over"
