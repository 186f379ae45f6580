"""What origins learn: that a gateway asks, and what for. Nothing of the client, and nothing of the environment."""

import socket
from pathlib import Path

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, redirect
from tests.support.receiver import Receiver

CLIENT = {
    "User-Agent": "client-agent/1",
    "Cookie": "session=client",
    "Authorization": "Bearer client",
    "Referer": "http://client.example/page",
    "Origin": "http://client.example",
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "client.example",
    "Forwarded": "for=203.0.113.9",
    "Via": "1.1 client",
    "X-Request-Id": "client-request",
    "Accept-Language": "tlh",
    "DNT": "1",
    "If-None-Match": '"client"',
}
TO_ORIGINS = {"host", "user-agent", "accept", "accept-encoding", "range", "if-range", "connection"}
TO_RECEIVERS = {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "connection"} | {
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
}


def ask_for_everything(gateway: Gateway, origin: Origin, hook: str) -> None:
    """Create, download, resume, a redirect, a page and its images, a webhook; each request with all these fields."""
    body = Pattern(9 << 20)
    origin.serve("/hygiene/large", File(body, cut_at=3 << 20), File(body, cut_at=3 << 20), File(body))
    origin.serve("/hygiene/moved", redirect(origin.url("/hygiene/small", host="localhost")))
    origin.serve("/hygiene/small", File(b"small", fields=(("Set-Cookie", "origin=1"), ("ETag", '"x"'))))
    page = b'<img src="small"><img src="moved">'
    origin.serve("/hygiene/page", File(page, fields=(("Content-Type", "text/html"), ("Set-Cookie", "page=1"))))
    gateway.client.headers.update(CLIENT)
    urls = [origin.url(f"/hygiene/{name}") for name in ("large", "moved", "small")]
    hash = gateway.create(urls=urls, webhook=hook)["archive_hash"]
    assert gateway.get(hash).status_code == 200
    assert gateway.get(hash, {"Range": "bytes=5-9"}).status_code == 206
    direct = gateway.client.post("/api/archive/download", json={"urls": urls, "filename": "again.zip"})
    assert direct.status_code == 200
    gateway.until(hash)
    download = gateway.client.post("/download", json={"url": origin.url("/hygiene/page")}).json()["download_id"]
    while gateway.client.get(f"/download/{download}").status_code == 202:
        pass


@pytest.mark.alone
def test_origins_learn_nothing_of_the_client_or_the_environment(
    launch: Launch, origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only these fields, and its page with an image; no cookie given back; no proxy and no netrc of the environment."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login netrc-user password netrc-password\n")
    with socket.create_server(("127.0.0.1", 0)) as proxy, Receiver() as receiver:
        proxy.setblocking(False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.setenv("NETRC", str(netrc))
        other_name = f"localhost:{origin.port}"
        gateway = launch(allow=[receiver.authority, other_name], cors_origins=CLIENT["Origin"])
        ask_for_everything(gateway, origin, receiver.url("/hook"))
        message = receiver.next("/hook")
        with pytest.raises(BlockingIOError):
            proxy.accept()
    requests = [request for request in origin.requests() if request.target.startswith("/hygiene/")]
    assert len(requests) >= 8
    page = origin.url("/hygiene/page")
    for request in requests:
        assert request.method == "GET"
        assert set(request.fields) - {"referer"} <= TO_ORIGINS
        assert request.fields.get("referer", page) == page  # of its own images
        assert request.fields["accept-encoding"] == "identity"
        assert request.fields["user-agent"].startswith("streamzip/")
    assert any("if-range" in request.fields for request in requests)  # the resume was among them
    assert set(message.fields) <= TO_RECEIVERS
    told = " ".join([*(value for request in requests for value in request.fields.values()), *message.fields.values()])
    told += message.body.decode()
    assert [word for word in ("client", "203.0.113", "netrc", "tlh", "origin=1", "page=1") if word in told] == []
