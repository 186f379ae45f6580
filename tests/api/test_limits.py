"""Each limit refuses in so many words: a problem before the first byte, a cut connection after it; and then goes on."""

import io
import json
import socket
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.api.test_main_flow import reading, receive, unpacked
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Raw

MIB = 1 << 20
ENTRY, ARCHIVE = 2 * MIB, 5 * MIB


@pytest.fixture(scope="module")
def small(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of two mebibytes a file, five an archive, and two archives at once."""
    data = tmp_path_factory.mktemp("limits") / "data"
    bounds = {"max_entry_bytes": str(ENTRY), "max_archive_bytes": str(ARCHIVE), "max_archives": "2"}
    with Gateway(data, allow=[origin.authority], **bounds) as gateway:
        yield gateway


ENDLESS = Raw(b"HTTP/1.1 200 OK\r\n\r\n", tail=bytes(64 << 10))


def until_it_breaks(gateway: Gateway, hash: str) -> tuple[int, bytes]:
    """The status of a GET, and its body, which is whole only where that has a zip's end."""
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as client:
        client.sendall(f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        answer = bytearray()
        while block := client.recv(1 << 16):
            answer += block
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


# -- bytes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{}, {"size": ENTRY + 1}], ids=["as the origin says", "as create says"])
def test_file_of_known_size_is_left_out_when_it_is_too_large(
    small: Gateway, origin: Origin, given: dict[str, int]
) -> None:
    """Status and report name it; a file of just the limit is in the archive."""
    origin.serve("/limits/large", File(Pattern(ENTRY + 1)))
    origin.serve("/limits/just", File(Pattern(ENTRY)))
    entries = [{"url": origin.url("/limits/large"), **given}, {"url": origin.url("/limits/just")}]
    hash = small.create(entries=entries)["archive_hash"]
    members = unpacked(small.download(hash))
    assert members["just"] == Pattern(ENTRY)[:]
    (skipped,) = json.loads(members["archive-report.json"])["skipped"]
    assert (skipped["index"], skipped["code"]) == (0, "entry_too_large")
    assert str(ENTRY) in skipped["message"]
    assert small.status(hash)["errors"] == [skipped]


def test_file_of_known_size_fails_its_archive_when_it_is_too_large_and_none_may_be_left_out(
    small: Gateway, origin: Origin
) -> None:
    """`on_error: fail` means that too."""
    origin.serve("/limits/failing", File(Pattern(ENTRY + 1)))
    hash = small.create(urls=[origin.url("/limits/failing")], on_error="fail")["archive_hash"]
    response = small.get(hash)
    assert (response.status_code, response.json()["code"]) == (502, "entry_failed")
    assert str(ENTRY) in response.json()["detail"]
    assert small.until(hash, "failed")["errors"][0]["code"] == "entry_too_large"


@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_file_without_end_is_cut_when_it_passes_the_limit(small: Gateway, origin: Origin, compression: str) -> None:
    """An origin that never ends costs the limit, and its reader is told by a broken connection or a problem."""
    origin.serve(f"/limits/endless/{compression}", ENDLESS)
    url = origin.url(f"/limits/endless/{compression}")
    hash = small.create(urls=[url], compression=compression)["archive_hash"]
    status, body = until_it_breaks(small, hash)
    if status == 200:
        assert not body.endswith(b"0\r\n\r\n")
        assert len(body) < ENTRY + MIB
    else:
        assert json.loads(body)["code"] == "entry_too_large"
    ended = small.until(hash, "failed")
    assert ended["code"] == "entry_too_large"
    assert len(origin.requests(f"/limits/endless/{compression}")) <= 4


def test_archive_of_known_length_is_refused_when_it_is_too_long(small: Gateway, origin: Origin) -> None:
    """Before anything is pulled; one of just the limit is made."""
    for number, size in enumerate((ENTRY, ENTRY, MIB)):
        origin.serve(f"/limits/long/{number}", File(Pattern(size)))
    urls = [origin.url(f"/limits/long/{number}") for number in range(3)]
    long = small.create(urls=urls)["archive_hash"]
    response = small.get(long)
    assert (response.status_code, response.json()["code"]) == (502, "archive_too_large")
    assert str(ARCHIVE) in response.json()["detail"]
    assert small.status(long)["code"] == "archive_too_large"
    assert sum(origin.sent(f"/limits/long/{number}") for number in range(3)) < MIB
    assert len(small.download(small.create(urls=urls[:2])["archive_hash"])) < ARCHIVE


def test_archive_of_unknown_length_is_cut_when_it_passes_the_limit(small: Gateway, origin: Origin) -> None:
    """Files that are each small enough are too much together."""
    for number in range(4):
        origin.serve(f"/limits/open/{number}", File(Pattern(ENTRY - 1), chunked=True, ranges=False))
    hash = small.create(urls=[origin.url(f"/limits/open/{number}") for number in range(4)])["archive_hash"]
    status, body = until_it_breaks(small, hash)
    assert status == 200
    assert not body.endswith(b"0\r\n\r\n")
    assert small.until(hash, "failed")["code"] == "archive_too_large"


# -- at once ---------------------------------------------------------------------------------------------


def test_archives_at_once_are_bounded_and_the_next_one_comes_when_one_ends(small: Gateway, origin: Origin) -> None:
    """503 with Retry-After to a third; another reader of one of the two is served, and so is what needs no pull."""
    origin.serve("/crowd/whole", File(b"whole"))
    finished = small.create(urls=[origin.url("/crowd/whole")])["archive_hash"]
    small.download(finished)
    small.until(finished)
    hashes = []
    for number in range(3):
        origin.serve(f"/crowd/{number}", File(Pattern(MIB + 9), hold_at=MIB // 2))
        hashes.append(small.create(urls=[origin.url(f"/crowd/{number}")])["archive_hash"])
        small.client.head(f"/archive/get/{hashes[-1]}.zip")
    with ExitStack() as stack:
        for hash in (hashes[0], hashes[1], hashes[1]):
            client = stack.enter_context(reading(small, f"/archive/get/{hash}.zip"))
            receive(client, 1000)
        refused = small.get(hashes[2])
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_archives")
        assert int(refused.headers["retry-after"]) > 0
        assert small.client.head(f"/archive/get/{hashes[2]}.zip").status_code == 200
        assert small.download(finished)
    for number in range(3):
        origin.release(f"/crowd/{number}")
    deadline = time.monotonic() + 20
    while (response := small.get(hashes[2])).status_code == 503:
        assert time.monotonic() < deadline
    assert zipfile.ZipFile(io.BytesIO(response.content)).testzip() is None


def test_creates_of_one_client_are_bounded(launch: Launch) -> None:
    """429 with Retry-After; a key has its own creates, wherever it comes from; without keys an address has."""
    gateway = launch(creates_per_minute="2", trusted_proxies="127.0.0.1")
    body = {"urls": ["http://example.com/a"]}

    def create(address: str) -> int:
        response = gateway.client.post("/api/archive/create", json=body, headers={"X-Forwarded-For": address})
        if response.status_code == 429:
            assert response.json()["code"] == "too_many_creates"
            assert int(response.headers["retry-after"]) > 0
        return response.status_code

    assert [create("198.51.100.1") for _ in range(3)] == [201, 200, 429]
    assert create("198.51.100.2") == 200
    assert [create(f"2001:db8::{number}") for number in range(3)] == [200, 200, 429]
    assert gateway.client.get("/healthz").status_code == 200


# -- requests --------------------------------------------------------------------------------------------


def connected(gateway: Gateway, sent: bytes) -> socket.socket:
    """A client that has sent this much."""
    client = socket.create_connection(("127.0.0.1", gateway.port), 20)
    client.sendall(sent)
    return client


def test_header_of_a_request_has_its_time(launch: Launch) -> None:
    """A client that drips its header is dropped, and so is one that says nothing at all."""
    gateway = launch(request_timeout="0.3")
    for sent in (b"", b"GET /healthz HTTP/1.1\r\nHost:", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /he"):
        with connected(gateway, sent) as client:
            began, received = time.monotonic(), b""
            try:
                while block := client.recv(1 << 16):
                    received += block
            except ConnectionResetError:
                pass
            assert time.monotonic() - began < 10.0  # of the last one: uvicorn's 5 s for the next request
            assert received.count(b"HTTP/1.1 ") == sent.count(b"\r\n\r\n")


@pytest.mark.parametrize("length", [8 << 10, (8 << 10) + 1, 60_000])
def test_target_of_a_request_has_its_length(gateway: Gateway, length: int) -> None:
    """8 KiB are taken, as RFC 9112 asks; more is 414, before anything is made of it."""
    with connected(gateway, b"GET /" + b"x" * (length - 1) + b" HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        answer = client.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 404 " if length <= 8 << 10 else b"HTTP/1.1 414 ")


@pytest.mark.parametrize(
    "head",
    [b"X-Large: " + b"x" * 80_000 + b"\r\n", b"X-Field: 1\r\n" * 300, b"X-Endless: " + b"x" * 300_000],
    ids=["long", "many", "endless"],
)
def test_header_of_a_request_has_its_length(gateway: Gateway, head: bytes) -> None:
    """More than 64 KiB or 200 fields are refused, and none of it is kept."""
    with connected(gateway, b"GET /healthz HTTP/1.1\r\nHost: a\r\n") as client:
        answer = b""
        try:
            client.sendall(head + b"\r\n")
            answer = client.recv(1 << 16)
        except ConnectionError:  # it hung up while the rest was sent
            pass
    assert answer.startswith(b"HTTP/1.1 431 ") or not answer
    assert gateway.client.get("/healthz").status_code == 200


def test_answer_that_is_not_taken_frees_its_socket(launch: Launch, origin: Origin) -> None:
    """Not only downloads: a client that asks for a long status and takes nothing is dropped in time."""
    gateway = launch(write_timeout="0.5")
    urls = [origin.url(f"/untaken/{number:06d}") for number in range(60_000)]
    hash = gateway.create(entries=[{"url": url, "size": 1} for url in urls])["archive_hash"]
    idle = gateway.descriptors()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", gateway.port))
        client.sendall(f"GET /api/archive/status/{hash}?entries=1 HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        client.settimeout(20)
        assert client.recv(1)
        deadline = time.monotonic() + 10
        while gateway.descriptors() > idle:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_entries_of_one_client_are_bounded(launch: Launch, origin: Origin) -> None:
    """By every way that a list can come: 429 with Retry-After, and nothing is kept or asked of origins."""
    gateway = launch(entries_per_minute="100")
    urls = [f"{origin.url('/entries/a')}?{number}" for number in range(60)]
    assert gateway.client.post("/api/archive/create", json={"urls": urls}).status_code == 201
    stored = gateway.stored()
    refused = [
        gateway.client.post("/api/archive/create", json={"urls": urls}),
        gateway.client.post("/api/archive/download", json={"urls": urls[1:]}),
        gateway.client.post("/archive_img", json=[{"filename": f"{number}", "url": urls[0]} for number in range(50)]),
        gateway.client.post("/download", json={"url": origin.url("/entries/page")}),
    ]
    for form in ({"links": "\n".join(urls)}, {"page": origin.url("/entries/page")}):
        page = gateway.client.post("/new", data=form, headers={"Accept": "text/html"})
        assert (page.status_code, "100 entries in a minute" in page.text) == (429, True)
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_creates")
        assert "100 entries in a minute" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
    assert gateway.client.post("/api/archive/create", json={"urls": urls[:40]}).status_code == 201
    assert gateway.stored() == stored + 1
    assert origin.requests("/entries/page") == []
