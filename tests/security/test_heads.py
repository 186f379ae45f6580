"""Heads of requests that lie or make no sense: other sites' pages, strange Hosts, forged words of proxies."""

import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from streamzip.access.api_keys import ApiKeys
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

OTHER_SITE: list[dict[str, str]] = [
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", OTHER_SITE, ids=str)
def test_page_of_another_site_changes_nothing(gateway: Gateway, origin: Origin, headers: dict[str, str]) -> None:
    """A browser sends a form or text/plain anywhere, unasked: whatever would change something refuses it."""
    origin.serve("/site/a", File(b"a"))
    url = origin.url("/site/a")
    document = gateway.create(urls=[url])
    hash, stored = document["archive_hash"], gateway.stored()
    files = gateway.client.get("/download").json()
    body = json.dumps({"urls": [f"{url}?other"]})
    plain = headers | {"Content-Type": "text/plain"}
    token = headers | {"X-Delete-Token": document["delete_token"]}
    answers = [
        gateway.client.post("/api/archive/create", content=body, headers=plain),
        gateway.client.post("/api/archive/download", content=body, headers=plain),
        gateway.client.post("/archive_img", content=json.dumps({"filename": "a", "url": url}), headers=plain),
        gateway.client.post("/download", content=json.dumps({"url": url}), headers=plain),
        gateway.client.post("/upload/site.txt", content=b"text", headers=plain),
        gateway.client.post("/upload", files={"file": ("site.txt", b"text")}, headers=headers),
        gateway.client.post(f"/api/archive/prefetch/{hash}", headers=headers),
        gateway.client.delete(f"/api/archive/prefetch/{hash}", headers=headers),
        gateway.client.delete(f"/api/archive/{hash}", headers=token),
        gateway.client.post("/login", data={"key": "x"}, headers=headers),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "cross_site")}
    assert gateway.client.get(document["url"], headers=headers).status_code == 200  # it may lead there
    assert gateway.stored() == stored
    assert gateway.client.get("/download").json() == files


def test_name_with_a_nul_is_unknown_wherever_it_stands(launch: Launch) -> None:
    """Nothing has one, and a database that takes none in a text makes an error of the question."""
    key = "k" * 40
    gateway = launch(admin_keys=f"root:{ApiKeys.hash_of(key)}")
    admin = {"Authorization": f"Bearer {key}"}
    for target in ("/api/admin/archives?owner=%00", "/api/admin/archives?owner=a%00b", "/api/archive?after=%00"):
        answer = gateway.client.get(target, headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), target
    for method, path in (
        *(("GET", "/api/admin/archives/%00"), ("DELETE", "/api/admin/copies/%00"), ("POST", "/api/admin/queue/%00")),
        *(("DELETE", "/api/admin/archives/a%00"), ("GET", "/download/%00"), ("GET", "/api/archive/status/%00")),
    ):
        answer = gateway.client.request(method, path, headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_rebound_name_reads_and_changes_nothing(gateway: Gateway) -> None:
    """To the browser a name that was rebound is its own page's: it is not answered to, and the setting is named."""
    port = gateway.base.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", f"localhost.evil.example:{port}"):
        for method, path in (("GET", "/download"), ("GET", "/upload"), ("DELETE", "/upload/a.txt"), ("GET", "/none")):
            answer = gateway.client.request(method, path, headers={"Host": host, "Sec-Fetch-Site": "same-origin"})
            assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host")
            assert "STREAMZIP_ALLOWED_HOSTS" in answer.json()["detail"]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "[::1]", "192.0.2.7"):
        assert gateway.client.get("/download", headers={"Host": host}).status_code == 200


def test_named_hosts_are_answered_to(launch: Launch) -> None:
    """Those of the setting and the public URL's; all where it is `*`, and where keys are set."""
    named = launch("named", allowed_hosts="zip.example, Other.example", public_url="https://public.example/zip")
    for host, status in (
        *(("zip.example", 200), ("OTHER.example:8000", 200), ("public.example", 200)),
        *(("sub.zip.example", 421), ("a", 421)),
    ):
        assert named.client.get("/download", headers={"Host": host}).status_code == status
    for gateway in (launch("any", allowed_hosts="*"), launch("keys", api_keys=f"ann:{'0' * 64}")):
        assert gateway.client.get("/login", headers={"Host": "any.example"}).status_code in (200, 303)


def raw(gateway: Gateway, head: bytes) -> int:
    """Send a head as it is, and return the answer's status; 0 where the connection ends without one."""
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=20)) as client:
        client.sendall(head)
        client.shutdown(socket.SHUT_WR)
        try:
            answer = client.recv(65536)
        except ConnectionResetError:
            return 0
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost:\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: [::::]\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\n", 200),
        (b"GET /download HTTP/1.0\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n", 200),
    ],
)
@pytest.mark.alone
def test_request_has_one_host(gateway: Gateway, head: bytes, status: int) -> None:
    """RFC 9112 §3.2; HTTP/1.0 need not have any, but gets no links then."""
    assert raw(gateway, head + b"Connection: close\r\n\r\n") == status


HEADERS = [
    *(
        "Host",
        "Origin",
        "Sec-Fetch-Site",
        "X-Forwarded-Proto",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Accel-Missing",
    ),
    *("Authorization", "Cookie", "X-Delete-Token", "Last-Event-ID", "Accept", "Content-Type", "Content-Encoding"),
    *("Content-Length", "Transfer-Encoding", "Expect", "Connection", "Upgrade", "Range", "If-Range", "If-Match"),
    *("If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "Access-Control-Request-Method"),
    *(
        "Access-Control-Request-Headers",
        "Forwarded",
        "Referer",
        "User-Agent",
        "Accept-Encoding",
        "TE",
        "X-Accel-Missing",
    ),
]
VALUES = [
    *(
        b"",
        b" ",
        b"\t",
        b",",
        b",,,,",
        b";",
        b"=",
        b'"',
        b'""',
        b'W/"',
        b"*",
        b"a",
        b"[",
        b"]",
        b"[]",
        b"[::::]",
        b"[::1",
    ),
    *(b"http://[", b"http://[::::]", b"https://a:99999999", b"null", b"\xff\xfe", b"\xc3\xa9", b"a\x80", b"%00", b"%"),
    *(
        b"-1",
        b"0",
        b"1e9",
        b"9" * 400,
        b"0x10",
        b"+5",
        b"\xd9\xa1",
        b"bytes=",
        b"bytes=-",
        b"bytes=9" + b"9" * 300 + b"-",
    ),
    *(b"bytes=0-0," * 200, b"bytes=-0", b"chunked", b"gzip, chunked", b"identity", b"100-continue", b"close, upgrade"),
    *(
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary="',
        b"text/plain; charset=x",
    ),
    *(b"multipart/form-data; boundary=" + b"b" * 300, b"multipart/form-data; boundary=\xff", b"Bearer", b"Bearer \xff"),
    *(b"Thu, 01 Jan 0000 00:00:00 GMT", b"Thu, 99 Foo 99999 99:99:99 +9999", b"Mon, 01 Jan 10000 00:00:00 GMT"),
    *(b"streamzip_session=", b"streamzip_session=\xff; =; ;;", b'streamzip_session="\\', b"1.1.1.1:x, [", b"x" * 8000),
]
REQUESTS = [
    *("GET /archive/get/{hash}.zip", "HEAD /archive/get/{hash}.zip", "GET /api/archive/status/{hash}"),
    *("GET /upload", "POST /upload", "POST /login", "POST /logout", "GET /download/fuzz.txt", "OPTIONS /download"),
    *("POST /api/archive/create", "DELETE /api/archive/{hash}", "HEAD /api/archive/events/{hash}"),
]


@pytest.fixture(scope="module")
def keyed(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, str]]:
    """A gateway with everything on that parses a header, and an archive of it; the probe is over."""
    key = "sz_fuzzed"
    line = f"ann:{ApiKeys.hash_of(key)}"
    data = tmp_path_factory.mktemp("fuzzed") / "data"
    settings = {"api_keys": line, "cors_origins": "https://app.example", "trusted_proxies": "127.0.0.1"}
    with Gateway(data, allow=[origin.authority], **settings) as gateway:
        origin.serve("/fuzzed/a", File(b"bytes"))
        bearer = {"Authorization": f"Bearer {key}"}
        body = {"urls": [origin.url("/fuzzed/a")]}
        created = gateway.client.post("/api/archive/create", json=body, headers=bearer).json()
        assert gateway.client.post("/upload/fuzz.txt", content=b"text", headers=bearer).status_code == 201
        assert gateway.client.get(created["url"]).status_code == 200
        yield gateway, created["archive_hash"]


def test_no_header_is_a_failure_of_the_gateway(keyed: tuple[Gateway, str]) -> None:
    """Every header that is parsed, with every value that a parser may stumble over: never a 5xx, never a trace. But a
    body in a coding that is not understood is 501 (RFC 9112 §6.1).
    """
    gateway, hash = keyed
    requests = itertools.cycle(REQUESTS)
    for name, value in itertools.product(HEADERS, VALUES):
        method, _, path = next(requests).replace("{hash}", hash).partition(" ")
        host = b"" if name == "Host" else b"Host: a\r\n"
        fields = b"%bConnection: close\r\n%b: %b\r\n" % (host, name.encode(), value)
        status = raw(gateway, b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode(), path.encode(), fields))
        if (name, value) == ("Transfer-Encoding", b"gzip, chunked"):
            assert status == 501, (method, path)
        else:
            assert status < 500, (name, value, method, path)
    for first, second in itertools.product(VALUES[:20], VALUES[:20]):
        head = b"POST /login HTTP/1.1\r\nHost: %b\r\nOrigin: %b\r\nConnection: close\r\n\r\n" % (first, second)
        assert raw(gateway, head) < 500, (first, second)
    assert not [line for line in gateway.log if line["event"] == "unexpected failure"]


def test_forged_address_evades_no_limit(launch: Launch) -> None:
    """A process on this machine is no proxy that the operator named: what it tells of its address is not believed."""
    gateway = launch(creates_per_minute="2")
    forged = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(3)]
    answers = [gateway.client.post("/api/archive/create", json={}, headers=each) for each in forged]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [422, 422, 429]


def test_client_over_ipv4_is_one_when_the_gateway_listens_on_both(launch: Launch) -> None:
    """`--host ::` tells IPv4 peers as mapped addresses: they are rated one by one, and proxies among them are known."""
    gateway = launch(host="::", creates_per_minute="1", trusted_proxies="127.0.0.0/8")

    def create(source: str, forwarded: str | None = None) -> int:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        with httpx.Client(transport=httpx.HTTPTransport(local_address=source), base_url=gateway.base) as client:
            return client.post("/api/archive/create", json={}, headers=headers).status_code

    clients = [("127.0.0.1", "203.0.113.1"), ("127.0.0.1", "203.0.113.2"), ("127.0.0.2", None), ("127.0.0.3", None)]
    assert [create(*client) for client in clients] == [422] * 4
    assert [create(*client) for client in clients] == [429] * 4
