"""Through a real nginx with the configuration that is shipped: live streams, resumes, aborts, and finished copies.

`copies` is the setting STREAMZIP_SENDFILE: with `off` the gateway sends every byte, with `x-accel` nginx the finished
copies.
"""

import contextlib
import io
import re
import socket
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from streamzip.access.api_keys import new_key
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.nginx import NginxFront
from tests.support.origin import File, HangUp, Origin, Pattern

pytestmark = pytest.mark.needs("nginx")

MIB = 1 << 20
DISPOSITION = "attachment; filename=\"archive.zip\"; filename*=UTF-8''archive.zip"


@dataclass(frozen=True)
class Stack:
    """A gateway and the nginx in front of it; `client` speaks to nginx."""

    gateway: Gateway
    front: NginxFront
    client: httpx.Client
    copies: str

    def create(self, *urls: str) -> dict[str, str]:
        """A create through nginx."""
        response = self.client.post("/api/archive/create", json={"urls": urls})
        assert response.status_code == 201, response.text
        document: dict[str, str] = response.json()
        return document


@pytest.fixture(scope="module", params=["off", "x-accel"])
def stack(request: pytest.FixtureRequest, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Both running, under each setting."""
    folder = tmp_path_factory.mktemp("front")
    allow, copies = [origin.authority], str(request.param)
    with Gateway(
        folder / "data", allow=allow, sendfile=copies, max_attempts="1", trusted_proxies="127.0.0.1"
    ) as gateway:
        address, spool = f"127.0.0.1:{gateway.port}", folder / "data" / "spool"
        with NginxFront(folder / "nginx", gateway=address, spool=spool) as front:
            limits = httpx.Limits(max_keepalive_connections=0)
            with httpx.Client(base_url=front.base, trust_env=False, limits=limits, timeout=30) as client:
                yield Stack(gateway, front, client, copies)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A place on the origin for one test under one setting."""
    return f"/{request.node.name}"


@pytest.mark.alone
def test_links_are_those_of_the_front(stack: Stack, origin: Origin, prefix: str) -> None:
    """URLs given out are those that the client can use: nginx's host and port, not the gateway's own."""
    origin.serve(f"{prefix}/a", File(b"a"))
    created = stack.create(origin.url(f"{prefix}/a"))
    assert created["url"] == f"{stack.front.base}/archive/get/{created['archive_hash']}.zip"
    assert stack.client.get(created["url"]).status_code == 200


def test_a_live_stream_is_passed_on_as_it_comes(stack: Stack, origin: Origin, prefix: str) -> None:
    """The client has the first half while the origin holds the second, and nginx keeps nothing of it in files."""
    origin.serve(f"{prefix}/a", File(Pattern(4 * MIB), etag=None, hold_at=2 * MIB))
    url = stack.create(origin.url(f"{prefix}/a"))["url"]
    with stack.client.stream("GET", url) as response:
        received = bytearray()
        blocks = response.iter_raw()
        while len(received) < 2 * MIB:
            received += next(blocks)
        assert not any(path.is_file() for path in (stack.front.run / "nginx-proxy").rglob("*"))
        origin.release(f"{prefix}/a")
        for block in blocks:
            received += block
    with zipfile.ZipFile(io.BytesIO(received)) as archive:
        assert archive.read("a") == Pattern(4 * MIB)[:]


def test_a_broken_download_is_resumed_live(stack: Stack, origin: Origin, prefix: str) -> None:
    """A download that its client broke off goes on by Range and If-Range, before the archive is finished."""
    origin.serve(f"{prefix}/a", File(Pattern(4 * MIB), hold_at=3 * MIB))
    url = stack.create(origin.url(f"{prefix}/a"))["url"]
    received = bytearray()
    with stack.client.stream("GET", url) as response:
        etag = response.headers["etag"]
        for block in response.iter_raw():
            received += block
            if len(received) >= MIB:
                break
    origin.release(f"{prefix}/a")
    rest = stack.client.get(url, headers={"Range": f"bytes={len(received)}-", "If-Range": etag})
    assert (rest.status_code, rest.headers["etag"]) == (206, etag)
    assert rest.headers["content-range"].startswith(f"bytes {len(received)}-")
    with zipfile.ZipFile(io.BytesIO(received + rest.content)) as archive:
        assert archive.read("a") == Pattern(4 * MIB)[:]


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_an_abort_reaches_the_client_as_one(stack: Stack, origin: Origin, prefix: str, framing: str) -> None:
    """An entry that breaks for good ends in a cut connection behind nginx too, whether or not a length was said."""
    body = Pattern(4 * MIB)
    sized = framing == "length"
    whole = File(body, chunked=not sized, ranges=sized)
    broken = File(body, chunked=not sized, ranges=sized, hold_at=MIB + MIB // 2, cut_at=2 * MIB)
    origin.serve(f"{prefix}/a", whole, broken, HangUp())
    hash = stack.create(origin.url(f"{prefix}/a"))["archive_hash"]
    stack.client.head(f"/archive/get/{hash}.zip")
    received = bytearray()
    with (
        pytest.raises(httpx.RemoteProtocolError),
        stack.client.stream("GET", f"/archive/get/{hash}.zip") as response,
    ):
        assert response.status_code == 200
        assert ("content-length" in response.headers) == sized
        for block in response.iter_raw():
            received += block
            if len(received) >= MIB:
                origin.release(f"{prefix}/a")  # it breaks only once the client has something
    assert len(received) >= MIB
    assert b"PK\x05\x06" not in received


def test_a_client_that_leaves_nginx_leaves_the_origin(stack: Stack, origin: Origin, prefix: str) -> None:
    """nginx passes the break on, and the gateway gives the origin's connection up."""
    origin.serve(f"{prefix}/a", File(Pattern(400 * MIB), etag=None))
    url = stack.create(origin.url(f"{prefix}/a"))["url"]
    with stack.client.stream("GET", url) as response:
        next(response.iter_raw())
        pull = origin.requests(f"{prefix}/a")[-1].connection
    origin.until(lambda origin: pull not in origin.live_connections)
    assert origin.sent(f"{prefix}/a") < 400 * MIB


def test_a_large_create_passes(stack: Stack) -> None:
    """nginx's own limit of 1 MiB is raised: what refuses a body is the gateway, for its reason."""
    urls = [f"http://example.com/{n}?{'x' * 8000}" for n in range(300)]
    response = stack.client.post("/api/archive/create", json={"urls": [*urls, "ftp://a/"]})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/urls/300")


def test_a_finished_copy_has_the_live_answers_headers(stack: Stack, origin: Origin, prefix: str) -> None:
    """Whoever sends it: the same bytes, ETag, Last-Modified, name and type, each once; ranges and conditions too."""
    origin.serve(f"{prefix}/a", File(Pattern(2 * MIB)))
    hash = stack.create(origin.url(f"{prefix}/a"))["archive_hash"]
    path = f"/archive/get/{hash}.zip"
    live = stack.client.get(path)
    stack.gateway.until(hash)

    told = {"X-Sendfile-Type": "X-Accel-Redirect"}
    direct = stack.gateway.client.get(path, headers=told)
    assert ("x-accel-redirect" in direct.headers) == (stack.copies == "x-accel")
    assert stack.gateway.client.get(path).content == live.content  # whoever comes past nginx
    finished = stack.client.get(path)
    assert "x-accel-redirect" not in finished.headers
    assert finished.content == live.content
    assert_same_headers(live, finished)

    etag = live.headers["etag"]
    length = len(live.content)
    part = stack.client.get(path, headers={"Range": "bytes=-100", "If-Range": etag})
    assert (part.status_code, part.content) == (206, live.content[-100:])
    assert part.headers["content-range"] == f"bytes {length - 100}-{length - 1}/{length}"
    other = stack.client.get(path, headers={"Range": "bytes=-100", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, live.content)
    assert stack.client.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert stack.client.get(path, headers={"If-Match": '"other"'}).status_code == 412
    beyond = stack.client.get(path, headers={"Range": f"bytes={length}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{length}")
    head = stack.client.head(path)
    assert head.headers["content-length"] == str(length)
    assert head.headers["etag"] == etag


def test_whoever_comes_past_nginx_has_the_copy_from_the_gateway_itself(
    stack: Stack, origin: Origin, prefix: str
) -> None:
    """A hand-over that nobody takes is 200 without a byte: only a trusted proxy's word counts, and the log says once
    that it was missing.
    """
    origin.serve(f"{prefix}/a", File(Pattern(MIB)))
    hash = stack.create(origin.url(f"{prefix}/a"))["archive_hash"]
    path = f"/archive/get/{hash}.zip"
    whole = stack.client.get(path).content
    stack.gateway.until(hash)
    announced = {"X-Sendfile-Type": "X-Accel-Redirect"}
    stranger = httpx.HTTPTransport(local_address="127.0.0.2")  # nginx is 127.0.0.1
    with httpx.Client(base_url=stack.gateway.base, trust_env=False, transport=stranger) as client:
        answers = [client.get(path, headers=announced), client.get(path), stack.gateway.client.get(path)]
    for answer in answers:
        assert answer.status_code == 200
        assert "x-accel-redirect" not in answer.headers
        assert answer.content == whole
    told = [line for line in stack.gateway.log if line["event"] == "copies_not_handed_over"]
    assert [line["level"] for line in told] == ["warning"] * (stack.copies == "x-accel")


@pytest.mark.alone
def test_a_download_begun_live_ends_from_the_finished_copy(stack: Stack, origin: Origin, prefix: str) -> None:
    """The ETag is the one that nginx gives the file: a resume may cross from the gateway's bytes to nginx's."""
    origin.serve(f"{prefix}/a", File(Pattern(3 * MIB)))
    created = stack.create(origin.url(f"{prefix}/a"))
    received = bytearray()
    with stack.client.stream("GET", created["url"]) as response:
        etag = response.headers["etag"]
        for block in response.iter_raw():
            received += block
            if len(received) >= MIB:
                break
    assert stack.client.post(f"/api/archive/prefetch/{created['archive_hash']}").status_code in (200, 202)
    stack.gateway.until(created["archive_hash"])
    rest = stack.client.get(created["url"], headers={"Range": f"bytes={len(received)}-", "If-Range": etag})
    assert rest.status_code == 206
    with zipfile.ZipFile(io.BytesIO(received + rest.content)) as archive:
        assert archive.read("a") == Pattern(3 * MIB)[:]


def test_a_copy_that_is_gone_is_sent_by_the_gateway_after_all(stack: Stack, origin: Origin, prefix: str) -> None:
    """Evicted between the hand-over and nginx's open: nginx asks the gateway again, unseen by the client."""
    origin.serve(f"{prefix}/a", File(Pattern(2 * MIB)))
    hash = stack.create(origin.url(f"{prefix}/a"))["archive_hash"]
    path = f"/archive/get/{hash}.zip"
    live = stack.client.get(path)
    stack.gateway.until(hash)
    before = stack.client.get(path)
    copy: Path = stack.gateway.copy(hash)
    copy.unlink()  # the gateway has it open still, and hands it over
    after = stack.client.get(path)
    assert before.content == after.content == live.content
    assert_same_headers(before, after)


def test_the_spool_is_not_reachable_from_outside(stack: Stack, origin: Origin, prefix: str) -> None:
    """Only the gateway's word opens /_spool/: a client that names it gets nothing of any archive."""
    origin.serve(f"{prefix}/a", File(b"a"))
    hash = stack.create(origin.url(f"{prefix}/a"))["archive_hash"]
    stack.client.get(f"/archive/get/{hash}.zip")
    stack.gateway.until(hash)
    assert stack.client.get(f"/_spool/{hash[:2]}/{hash}.zip").status_code == 404
    assert stack.client.get("/_spool/../streamzip.db").status_code == 404


def assert_same_headers(first: httpx.Response, second: httpx.Response) -> None:
    """The fields that clients rely on are the same, and there once."""
    for field in ("etag", "last-modified", "content-length", "content-type", "content-disposition", "accept-ranges"):
        assert first.headers.get_list(field) == second.headers.get_list(field), field
        assert len(first.headers.get_list(field)) == 1, field
    for response in (first, second):
        assert response.headers["content-disposition"] == DISPOSITION
        assert response.headers.get_list("x-content-type-options") == ["nosniff"]
        assert len(response.headers.get_list("cache-control")) == 1


@pytest.mark.alone
def test_an_upload_larger_than_any_other_body_passes(stack: Stack) -> None:
    """The gateway's own limits count for files, and nginx keeps nothing of them."""
    chunks = (bytes(MIB) for _ in range(130))
    sent = stack.client.post("/upload/large.pdf", content=chunks)
    assert sent.status_code == 201, sent.text
    assert sent.json()["url"] == f"{stack.front.base}/download/large.pdf"
    part = stack.client.get("/download/large.pdf", headers={"Range": "bytes=-5"})
    assert (part.status_code, part.headers["content-range"]) == (
        206,
        f"bytes {130 * MIB - 5}-{130 * MIB - 1}/{130 * MIB}",
    )
    assert stack.client.delete("/upload/large.pdf").status_code == 204


@pytest.mark.alone
def test_a_person_logs_in_through_the_front(launch: Launch, tmp_path: Path) -> None:
    """The form's Origin is the front's, the way back is relative, and signed links pass as they are."""
    key, line = new_key("ann")
    gateway = launch(api_keys=line, signed_links="on")
    address = f"127.0.0.1:{gateway.port}"
    with NginxFront(tmp_path / "nginx", gateway=address, spool=gateway.data / "spool") as front:
        browser = {"Accept": "text/html", "Origin": front.base}
        with httpx.Client(base_url=front.base, trust_env=False, follow_redirects=True, headers=browser) as client:
            assert client.get("/").status_code == 401
            page = client.post("/login", data={"key": key, "to": "upload"})
            assert (page.status_code, str(page.url)) == (200, f"{front.base}/upload")
            token = re.search(r'name="token" value="([0-9a-f]+)"', page.text)
            assert token is not None
            page = client.post("/upload", data={"token": token[1]}, files={"file": ("a b.txt", b"text")})
            link = re.search(r'href="(download/[^"]+)"', page.text)
            assert link is not None
            assert client.get(f"/{link[1].replace('&amp;', '&')}").content == b"text"
            assert client.get("/download/a%20b.txt").status_code == 403


@pytest.mark.parametrize("stack", ["off"], indirect=True)
def test_one_client_has_only_so_many_connections(stack: Stack, origin: Origin, prefix: str) -> None:
    """nginx refuses one more with 429, and takes it as soon as another ends."""
    origin.serve(f"{prefix}/a", File(b"a"))
    watched = f"/api/archive/events/{stack.create(origin.url(f'{prefix}/a'))['archive_hash']}"
    request = f"GET {watched} HTTP/1.1\r\nHost: {stack.front.authority}\r\n\r\n".encode()
    most = int(re.findall(r"limit_conn clients (\d+);", stack.front.configuration())[0])
    with contextlib.ExitStack() as open_ones:
        for _ in range(most):
            held = open_ones.enter_context(socket.create_connection(("127.0.0.1", stack.front.port), timeout=30))
            held.sendall(request)
            assert held.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert stack.client.get("/healthz").status_code == 429
        held.close()
        deadline = time.monotonic() + 30
        while stack.client.get("/healthz").status_code == 429:
            assert time.monotonic() < deadline


def test_one_client_creates_only_so_fast(stack: Stack) -> None:
    """nginx lets a burst through, refuses what is beyond it with 429, and does not count what only reads."""

    def post(_: int) -> int:
        return stack.client.post("/api/archive/create", content=b"{").status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = Counter(pool.map(post, range(500)))
    assert set(statuses) == {400, 429}
    assert statuses[400] >= 200
    assert {stack.client.get("/healthz").status_code for _ in range(50)} == {200}
