"""The log tells of each request who asked for what and what came of it, under an id that the client has too."""

import re
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, HangUp, Origin, Pattern, Status

SIZE = 3_000_000


@pytest.fixture(scope="module")
def gateway(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that trusts a proxy on this machine, and logs all that it can."""
    data = tmp_path_factory.mktemp("seen") / "data"
    settings = {"trusted_proxies": "127.0.0.1", "log_level": "debug", "signed_links": "on", "max_attempts": "2"}
    with Gateway(data, allow=[origin.authority], **settings) as gateway:
        yield gateway


def of(gateway: Gateway, request_id: str) -> list[dict[str, Any]]:
    """The lines of a request, once its own has come."""
    gateway.until_logged(lambda line: line["event"] == "request" and line.get("request_id") == request_id)
    return [line for line in gateway.log if line.get("request_id") == request_id]


def line_of(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The request's own line."""
    return next(line for line in of(gateway, request_id) if line["event"] == "request")


def raw(gateway: Gateway, request: str) -> bytes:
    """The whole answer to these bytes."""
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=20)) as client:
        client.sendall(request.encode("latin-1"))
        received = b""
        while block := client.recv(1 << 16):
            received += block
        return received


def test_each_request_has_a_line_with_what_came_of_it(gateway: Gateway, origin: Origin) -> None:
    """Method, path, status, bytes, seconds, client and archive; the query, which holds a signature, is nowhere."""
    origin.serve("/seen/a", File(Pattern(SIZE)))
    answer = gateway.client.post("/api/archive/create", json={"urls": [origin.url("/seen/a")]})
    made = answer.json()
    line = line_of(gateway, answer.headers["X-Request-Id"])
    assert (line["method"], line["path"], line["status"]) == ("POST", "/api/archive/create", 201)
    assert (line["bytes"], line["archive"], line["client"]) == (
        len(answer.content),
        made["archive_hash"],
        "127.0.0.1",
    )
    assert 0 <= line["seconds"] < 60
    got = gateway.client.get(made["url"], headers={"X-Forwarded-For": "192.0.2.7"})
    assert got.status_code == 200
    lines = of(gateway, got.headers["X-Request-Id"])
    [request] = [line for line in lines if line["event"] == "request"]
    [ended] = [line for line in lines if line["event"] == "download_ended"]
    assert request["path"] == f"/archive/get/{made['archive_hash']}.zip"
    assert (request["client"], ended["client"]) == ("192.0.2.7", "192.0.2.7")
    assert ended["archive"] == made["archive_hash"]
    assert request["bytes"] == ended["bytes"] == len(got.content)
    signature = re.search(r"signature=([^&]+)", made["url"])
    assert signature is not None
    assert signature[1] not in str(gateway.log)
    assert made["delete_token"] not in str(gateway.log)


def test_a_trusted_proxys_request_id_is_kept(gateway: Gateway) -> None:
    """The same id in the proxy's log, the gateway's lines, the answer and the problem's document."""
    answer = gateway.client.get("/nowhere", headers={"X-Request-Id": "0af7651916cd43dd8448eb211c80319c"})
    assert answer.headers.get_list("X-Request-Id") == ["0af7651916cd43dd8448eb211c80319c"]
    assert answer.json()["request_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert line_of(gateway, "0af7651916cd43dd8448eb211c80319c")["status"] == 404


@pytest.mark.parametrize("given", ["a b", "", "x" * 129, 'say"so', "\xfc"])
def test_a_request_id_that_is_none_is_replaced(gateway: Gateway, given: str) -> None:
    """What is no plain word of a sane length would spoil logs and headers."""
    head, _, _ = raw(
        gateway, f"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: {given}\r\n\r\n"
    ).partition(b"\r\n\r\n")
    assert re.search(rb"\r\nx-request-id: [0-9a-f]{16}(\r\n|$)", head), head


def test_requests_that_are_refused_early_have_a_line_too(gateway: Gateway) -> None:
    """A wrong Host, no HTTP at all: whoever looks for a client's complaint finds it."""
    before = len(gateway.log)
    assert b" 400 " in raw(gateway, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").partition(b"\r\n")[0]
    # Not the first one: the line of a request before may come after that one's answer.
    gateway.until_logged(lambda line: line["event"] == "request" and line["status"] == 400, after=before)
    assert b" 400 " in raw(gateway, "GET / HTTZ/1.1\r\n\r\n").partition(b"\r\n")[0]
    refused = gateway.logged("request_refused", after=before)
    assert (refused["status"], refused["client"]) == (400, "127.0.0.1")
    assert {line["logger"].partition(".")[0] for line in gateway.log} == {"streamzip"}  # none of a framework's


def test_a_failing_download_names_its_archive_and_path(gateway: Gateway, origin: Origin) -> None:
    """`download_cut` after the first byte, `problem` before it, the attempts at the origin between: all under one id,
    and nothing of the file's query.
    """
    query = "?token=s3cr3t"
    origin.serve("/seen/cut", File(Pattern(SIZE)), File(Pattern(SIZE), cut_at=1_000_000), HangUp())
    made = gateway.create(urls=[origin.url("/seen/cut") + query])
    gateway.client.head(made["url"])
    before = len(gateway.log)
    path = made["url"].removeprefix(gateway.base)
    assert raw(gateway, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
    cut = gateway.logged("download_cut", after=before)
    assert (cut["archive"], cut["path"]) == (
        made["archive_hash"],
        f"/archive/get/{made['archive_hash']}.zip",
    )
    lines = of(gateway, cut["request_id"])
    attempts = [line for line in lines if line["event"] in ("origin_asked", "origin_retried")]
    assert {line["event"] for line in attempts} == {"origin_asked", "origin_retried"}
    assert all(line["url"].startswith(origin.url("/seen/cut")) for line in attempts)
    answer = gateway.client.get(made["url"], headers={"Range": "bytes=2500000-2500099"})
    assert answer.status_code == 502
    [problem] = [line for line in of(gateway, answer.headers["X-Request-Id"]) if line["event"] == "problem"]
    assert (problem["archive"], problem["path"]) == (cut["archive"], cut["path"])
    assert problem["code"] == answer.json()["code"]
    assert "s3cr3t" not in str(gateway.log)


def test_access_lines_can_be_switched_off(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the proxy's log has them already: the rest of the log stays, and the id is in the answer all the same."""
    data = tmp_path_factory.mktemp("silent") / "data"
    with Gateway(data, allow=[origin.authority], access_log="off") as gateway:
        answer = gateway.client.get("/nowhere", headers={"X-Request-Id": "told-by-anybody"})
        assert answer.headers["X-Request-Id"] != "told-by-anybody"  # no proxy is trusted here
        origin.serve("/seen/gone", Status(404))
        made = gateway.create(urls=[origin.url("/seen/gone")])["archive_hash"]
        assert gateway.get(made).status_code == 502
        gateway.logged("problem")
        assert all(line["event"] != "request" for line in gateway.log)


@pytest.mark.parametrize(
    "path",
    [
        *("/archive/7kna5e8zq1/", "//archive/7kna5e8zq1/", "/Archive/7kna5e8zq1", "/archive/get/../7kna5e8zq1/"),
        *("/archive/get//x/7kna5e8zq1", "/%61rchive/7kna5e8zq1/"),
        *("/download_link/7kna5e8zq1", "//download_link/7kna5e8zq1"),
    ],
)
def test_secret_place_is_in_no_line_however_it_is_mistyped(gateway: Gateway, path: str) -> None:
    """A folder's name and a short-lived link's id are what opens them."""
    answer = raw(gateway, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").decode("latin-1")
    [request_id] = re.findall(r"x-request-id: (\S+)", answer)
    assert "7kna5e8zq1" not in str(of(gateway, request_id))
