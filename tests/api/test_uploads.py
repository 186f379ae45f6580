"""The uploads door: files are sent as a form or as they are, listed, downloaded, deleted, and packed into archives.

GET /upload             the page             POST /upload            a form with a `file`
GET /download           the list             POST /upload/{name}     the body is the file
GET /download/{name}    the file             DELETE /upload/{name}
"""

import hashlib
import io
import json
import os
import random
import re
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import POLL, Gateway
from tests.support.own_ids import common_fields

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose files are the tests' of this module; each takes names of its own."""
    with Gateway(tmp_path_factory.mktemp("gateway") / "data") as gateway:
        yield gateway


def send(gateway: Gateway, name: str, body: bytes = b"body") -> dict[str, str]:
    response = gateway.client.post(f"/upload/{name}", content=body)
    assert response.status_code == 201, response.text
    document: dict[str, str] = response.json()
    return document


def code(response: object) -> tuple[int, str]:
    return response.status_code, response.json()["code"]  # type: ignore[attr-defined]


def listed(gateway: Gateway) -> set[str]:
    return {row["filename"] for row in gateway.client.get("/download").json()}


def arriving(gateway: Gateway) -> list[str]:
    return os.listdir(gateway.data / "uploads" / "arriving")


def test_file_is_uploaded_listed_downloaded_and_deleted(gateway: Gateway) -> None:
    """The whole life of a file, by a form as browsers and `curl -F` send it."""
    body = random.Random(1).randbytes(3_000_000)
    sent = gateway.client.post("/upload", files={"file": ("my report.pdf", body, "application/pdf")})
    assert sent.status_code == 201
    url = f"{gateway.base}/download/my%20report.pdf"
    digest = hashlib.sha256(body).hexdigest()
    assert sent.json() == {"filename": "my report.pdf", "url": url, "size": 3_000_000, "sha256": digest}
    assert sent.headers["location"] == url
    assert {"filename": "my report.pdf", "url": url} in gateway.client.get("/download").json()
    got = gateway.client.get(url)
    assert got.content == body
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-disposition"].startswith('attachment; filename="my report.pdf"')
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["etag"] == f'"{digest}"'
    head = gateway.client.head(url)
    assert common_fields(head.headers) == common_fields(got.headers)
    assert gateway.client.delete("/upload/my%20report.pdf").status_code == 204
    assert gateway.client.get(url).status_code == 404
    assert "my report.pdf" not in listed(gateway)


@pytest.mark.needs("curl")
def test_file_is_uploaded_by_curl_as_the_documentation_has_it(gateway: Gateway, tmp_path: Path) -> None:
    """`curl -F file=@…` and `curl --data-binary @…`, word for word."""
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    for arguments in (["-F", "file=@report.pdf", "/upload"], ["--data-binary", "@report.pdf", "/upload/report.pdf"]):
        command = ["curl", "-sS", "--fail", *arguments[:-1], gateway.base + arguments[-1]]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
        assert json.loads(done.stdout)["filename"] == "report.pdf"
        assert gateway.client.delete("/upload/report.pdf").status_code == 204


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain; charset=utf-16", "?"])
def test_raw_body_is_the_file_whatever_its_type(gateway: Gateway, content_type: str) -> None:
    """The header is not looked at."""
    gateway.client.delete("/upload/any.txt")
    sent = gateway.client.post("/upload/any.txt", content=b'{"a": 1}', headers={"Content-Type": content_type})
    assert sent.status_code == 201
    assert gateway.client.get("/download/any.txt").content == b'{"a": 1}'


def test_file_may_be_empty_or_come_in_chunks(gateway: Gateway) -> None:
    """Nothing is a file too, and a length need not be said."""
    send(gateway, "empty.txt", b"")
    assert gateway.client.get("/download/empty.txt").content == b""
    chunks = (bytes([number]) * 70_000 for number in range(40))
    assert gateway.client.post("/upload/chunks.doc", content=chunks).status_code == 201
    assert gateway.client.get("/download/chunks.doc").content == b"".join(bytes([n]) * 70_000 for n in range(40))


def test_file_is_given_in_ranges(gateway: Gateway) -> None:
    """Parts, conditions, and a range beyond its end."""
    body = random.Random(2).randbytes(2_500_000)
    send(gateway, "ranges.png", body)
    etag = gateway.client.head("/download/ranges.png").headers["etag"]
    for start, stop in ((0, 1), (1_048_575, 1_048_577), (2_499_999, 2_500_000), (5, 2_400_000)):
        headers = {"Range": f"bytes={start}-{stop - 1}", "If-Range": etag}
        part = gateway.client.get("/download/ranges.png", headers=headers)
        assert (part.status_code, part.content) == (206, body[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/2500000"
    assert gateway.client.get("/download/ranges.png", headers={"Range": "bytes=2500000-"}).status_code == 416
    assert gateway.client.get("/download/ranges.png", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("report", (422, "invalid_request")),
        (".png", (422, "invalid_request")),
        ("a%00.png", (422, "invalid_request")),
        ("..%5ca.png", (422, "invalid_request")),
        ("nul.png", (422, "invalid_request")),
        ("%ff.png", (422, "invalid_request")),
        ("x" * 300 + ".png", (422, "invalid_request")),
        ("page.html", (415, "type_not_allowed")),
        ("a.png.exe", (415, "type_not_allowed")),
        ("..%2fa.png", (404, "not_found")),
    ],
)
def test_file_is_refused_when_its_name_or_type_is_not_taken(
    gateway: Gateway, name: str, answer: tuple[int, str]
) -> None:
    """Raw and as a form alike, and nothing is stored."""
    before = listed(gateway)
    assert code(gateway.client.post(f"/upload/{name}", content=b"x")) == answer
    assert listed(gateway) == before
    assert arriving(gateway) == []


def test_file_is_refused_when_there_is_one_of_its_name(gateway: Gateway) -> None:
    """In whatever case; the first one stays what it was."""
    send(gateway, "taken.txt", b"first")
    for name in ("taken.txt", "TAKEN.txt", "Taken.TXT"):
        assert code(gateway.client.post(f"/upload/{name}", content=b"other")) == (409, "name_taken")
        form = gateway.client.post("/upload", files={"file": (name, b"other")})
        assert code(form) == (409, "name_taken")
    assert gateway.client.get("/download/taken.txt").content == b"first"
    assert gateway.client.get("/download/TAKEN.txt").status_code == 404


@pytest.mark.parametrize(
    ("body", "headers", "answer"),
    [
        (b"x", {"Content-Type": "text/plain"}, (400, "bad_form")),
        (b"--b\r\n", {"Content-Type": "multipart/form-data; boundary=b"}, (400, "bad_form")),
        (b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}, (422, "invalid_request")),
    ],
)
def test_form_is_refused_when_it_is_none(
    gateway: Gateway, body: bytes, headers: dict[str, str], answer: tuple[int, str]
) -> None:
    """What cannot be read as a form, and a form without a file."""
    assert code(gateway.client.post("/upload", content=body, headers=headers)) == answer


def test_encoded_body_is_refused(gateway: Gateway) -> None:
    """Nothing is unpacked here: there is no bomb to fear."""
    response = gateway.client.post("/upload/a.txt", content=b"x", headers={"Content-Encoding": "gzip"})
    assert code(response) == (415, "body_encoded")


def test_limits_hold_when_files_are_too_large(launch: Launch) -> None:
    """One file, said or found out as it comes; all of them together; and what was refused takes no room."""
    gateway = launch(upload_max_bytes="1000000", upload_quota_bytes="1500000", upload_extensions="bin")
    for body in (bytes(1_000_001), (bytes(100_000) for _ in range(11))):
        assert code(gateway.client.post("/upload/a.bin", content=body)) == (413, "file_too_large")
    assert code(gateway.client.post("/upload", files={"file": ("a.bin", bytes(1_000_001))})) == (413, "file_too_large")
    assert gateway.client.post("/upload", files={"file": ("a.bin", bytes(1_000_000))}).status_code == 201
    assert code(gateway.client.post("/upload/b.bin", content=bytes(500_001))) == (507, "quota_exceeded")
    send(gateway, "b.bin", bytes(500_000))
    assert gateway.client.delete("/upload/a.bin").status_code == 204
    send(gateway, "c.bin", bytes(900_000))
    assert arriving(gateway) == []


def test_limit_holds_when_files_are_many(launch: Launch) -> None:
    """Empty ones too: they take no bytes, and still a place in every list."""
    gateway = launch(upload_max_files="2")
    for name in ("a.txt", "b.txt"):
        send(gateway, name, b"")
    refused = gateway.client.post("/upload/c.txt", content=b"")
    assert code(refused) == (507, "quota_exceeded")
    assert "2 files" in refused.json()["detail"]
    assert gateway.client.delete("/upload/a.txt").status_code == 204
    send(gateway, "c.txt", b"")


def test_endless_body_is_cut_at_the_limit(launch: Launch) -> None:
    """A client that sends for ever is answered and hung up on; the disk and the memory hold no more than is allowed."""
    gateway = launch(upload_max_bytes="2000000")
    before = gateway.memory()
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=20)) as client:
        client.sendall(b"POST /upload/a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"10000\r\n" + bytes(65536) + b"\r\n"
        with pytest.raises(OSError, match=r"reset|pipe"):
            for _ in range(1_000):
                client.sendall(block)
    assert gateway.peak_memory() - before < 64 << 20
    assert arriving(gateway) == []


def test_large_file_takes_no_memory(launch: Launch) -> None:
    """It is written as it comes: half a gigabyte in, and out again, in a few megabytes."""
    gateway = launch(upload_extensions="bin")
    send(gateway, "first.bin", bytes(1 << 20))
    before = gateway.memory()
    chunks = (bytes(1 << 20) for _ in range(256))
    assert gateway.client.post("/upload/large.bin", content=chunks).status_code == 201
    with gateway.client.stream("GET", "/download/large.bin") as response:
        assert sum(map(len, response.iter_raw())) == 256 << 20
    assert gateway.peak_memory() - before < 48 << 20


class Markup(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_page_has_the_form_and_the_files(gateway: Gateway) -> None:
    """A form that works without a script, links that lead to the files, and nothing from elsewhere."""
    send(gateway, "on%20the%20page.txt", b"12345")
    response = gateway.client.get("/upload", headers=BROWSER)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "unsafe" not in response.headers["content-security-policy"]
    page = Markup(response.text)
    form = next(attributes for tag, attributes in page.tags if tag == "form")
    assert (form["method"], form["action"], form["enctype"]) == ("post", "upload", "multipart/form-data")
    assert next(attributes["name"] for tag, attributes in page.tags if tag == "input") == "file"
    assert {"href": "download/on%20the%20page.txt"} in [attributes for tag, attributes in page.tags if tag == "a"]
    assert "on the page.txt" in page.text
    assert not {"img", "iframe", "style"} & {tag for tag, _ in page.tags}
    fetched = [each.get("src") or each.get("href") or "" for tag, each in page.tags if tag in ("script", "link")]
    assert all(address == "data:," or address.startswith("assets/") for address in fetched)


def test_page_shows_names_and_no_markup_of_theirs(gateway: Gateway) -> None:
    """What is in a name is text, in the list and in an error."""
    name = "&lt;b&gt; 'a' &amp; onerror=x.txt"
    send(gateway, name.replace("&", "%26").replace(" ", "%20"))
    page = Markup(gateway.client.get("/upload").text)
    assert name in page.text
    assert not {"b", "img"} & {tag for tag, _ in page.tags}
    evil = '"><img src=x onerror=alert(1)>.exe'
    refused = gateway.client.post("/upload", files={"file": (evil, b"x")}, headers=BROWSER)
    assert refused.status_code == 422
    assert "img" not in {tag for tag, _ in Markup(refused.text).tags}


def test_browser_is_led_back_to_the_page(gateway: Gateway) -> None:
    """After a file 303, so that a reload sends nothing again; after an error what to do, and a link."""
    sent = gateway.client.post("/upload", files={"file": ("by browser.txt", b"x")}, headers=BROWSER)
    assert (sent.status_code, sent.headers["location"]) == (303, "upload")
    again = gateway.client.post("/upload", files={"file": ("by browser.txt", b"x")}, headers=BROWSER)
    assert again.status_code == 409
    page = Markup(again.text)
    assert "rename yours, or delete that one first" in page.text
    assert ("a", {"href": "upload"}) in page.tags
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--b--\r\n'
    headers = BROWSER | {"Content-Type": "multipart/form-data; boundary=b"}
    nothing = gateway.client.post("/upload", content=form, headers=headers)
    assert nothing.status_code == 422
    assert "choose a file" in nothing.text


def test_one_wins_when_many_send_files_at_once(launch: Launch) -> None:
    """Of one name, or more than there is room for, through two processes: whole files, and no more than are allowed."""
    gateway = launch(workers="2", upload_quota_bytes="5000000", upload_extensions="bin")

    def post(number: int) -> int:
        body = bytes([number]) * 1_000_000
        names = ("same.bin", f"own{number}.bin")
        answers = [gateway.client.post(f"/upload/{name}", content=body).status_code for name in names]
        return answers[0]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(8)))
    assert answers.count(201) == 1
    assert set(answers) <= {201, 409, 507}
    files = {name: gateway.client.get(f"/download/{name}").content for name in listed(gateway)}
    assert sum(map(len, files.values())) <= 5_000_000
    assert all(len(body) == 1_000_000 and len(set(body)) == 1 for body in files.values())
    assert "same.bin" in files
    assert len(files) == 5
    assert arriving(gateway) == []


def test_upload_leaves_nothing_when_its_client_hangs_up(gateway: Gateway) -> None:
    """Cut at fifty places, raw and as a form: no file, no part."""
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="cut.txt"\r\n\r\n' + bytes(3_000_000)
    raw = bytes(3_000_000)
    chance = random.Random(3)
    for number in range(50):
        path, kind, body = (
            (b"/upload", b"multipart/form-data; boundary=b", form) if number % 2 else (b"/upload/cut.txt", b"a/b", raw)
        )
        head = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=20)) as client:
            client.sendall(head % (path, kind, len(body) + 7))
            client.sendall(body[: chance.randrange(1, len(body))])
    deadline = time.monotonic() + 10
    while arriving(gateway) and time.monotonic() < deadline:
        gateway.client.get("/healthz")
    assert arriving(gateway) == []
    assert "cut.txt" not in listed(gateway)
    send(gateway, "cut.txt")


@pytest.mark.parametrize("cuts", [4, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_upload_is_whole_or_nothing_when_the_gateway_is_killed(launch: Launch, cuts: int) -> None:
    """kill -9 at any moment of it: afterwards the file is there with all its bytes, or its name is free."""
    gateway = launch()
    chance = random.Random(4)
    body = chance.randbytes(2_000_000)
    whole = 0
    for number in range(cuts):
        name = f"file{number}.txt"
        client = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
        with closing(client):
            head = f"POST /upload/{name} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
            upto = len(body) if number % 2 else chance.randrange(len(body))
            client.sendall(head.encode() + body[:upto])
            answered = b""
            if number % 4 == 3:
                answered = client.recv(100)
            gateway.kill()
        gateway.start()
        there = name in listed(gateway)
        if there:
            whole += 1
            assert upto == len(body)
            assert gateway.client.get(f"/download/{name}").content == body
        assert there or not answered.startswith(b"HTTP/1.1 201")
        deadline = time.monotonic() + 10
        while arriving(gateway) and time.monotonic() < deadline:
            gateway.client.get("/healthz")
        assert arriving(gateway) == []
        if not there:
            send(gateway, name)
    assert whole


def unpacked(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_uploads_are_packed_into_archives(gateway: Gateway) -> None:
    """`upload:NAME` is an entry as any other: exact, in ranges, under a name of its own where one is given."""
    large = random.Random(6).randbytes(12_000_000)
    send(gateway, "in%20archive.png", large)
    send(gateway, "small.jpg", b"small")
    created = gateway.create(
        entries=[{"url": "upload:in%20archive.png"}, {"url": "upload:small.jpg", "name": "inner/s.jpg"}]
    )
    hash = created["archive_hash"]
    head = gateway.client.head(f"/archive/get/{hash}.zip")
    body = gateway.download(hash)
    assert int(head.headers["content-length"]) == len(body)
    assert unpacked(body) == {"in archive.png": large, "inner/s.jpg": b"small"}
    part = gateway.get(hash, {"Range": "bytes=9000000-9000099"})
    assert (part.status_code, part.content) == (206, body[9_000_000:9_000_100])


def test_upload_stays_while_an_archive_needs_it(gateway: Gateway) -> None:
    """A file is not deleted under an archive that is not finished; once that is completed or gone, it is."""
    send(gateway, "needed.jpg", b"needed")
    hash = gateway.create(urls=["upload:needed.jpg"])["archive_hash"]
    assert code(gateway.client.delete("/upload/needed.jpg")) == (409, "upload_in_use")
    gateway.kill()
    gateway.start()
    assert code(gateway.client.delete("/upload/needed.jpg")) == (409, "upload_in_use")
    body = gateway.download(hash)
    gateway.until(hash)
    assert gateway.client.delete("/upload/needed.jpg").status_code == 204
    assert gateway.download(hash) == body
    send(gateway, "needed.jpg", b"another")
    again = gateway.create(urls=["upload:needed.jpg"])
    assert again["archive_hash"] != hash
    gone = gateway.client.delete(
        f"/api/archive/{again['archive_hash']}", headers={"X-Delete-Token": again["delete_token"]}
    )
    assert gone.status_code == 204
    assert gateway.client.delete("/upload/needed.jpg").status_code == 204


def test_create_is_refused_when_an_upload_is_not_there(gateway: Gateway) -> None:
    """422 that names the entry, and nothing is stored."""
    before = gateway.stored()
    for body, pointer in (
        ({"urls": ["upload:nowhere.txt"]}, "/urls/0"),
        ({"entries": [{"url": "upload:nowhere.txt"}]}, "/entries/0/url"),
        ({"urls": ["upload:../secret.keys"]}, "/urls/0"),
        ({"urls": ["upload:"]}, "/urls/0"),
    ):
        response = gateway.client.post("/api/archive/create", json=body)
        assert code(response) == (422, "invalid_request")
        assert response.json()["errors"][0]["pointer"] == pointer
    assert gateway.stored() == before


def test_same_files_make_the_same_archive(gateway: Gateway) -> None:
    """The hash follows from the content: create is idempotent, an id or not."""
    send(gateway, "same.jpg", b"same")
    one = gateway.create(urls=["upload:same.jpg"])
    assert gateway.create(entries=[{"url": "upload:same.jpg", "id": "x"}])["archive_hash"] == one["archive_hash"]
    assert re.fullmatch("[0-9a-f]{32}", one["archive_hash"])


def test_need_of_a_file_is_forgotten_when_its_archive_is_gone(launch: Launch) -> None:
    """The note that an archive needs the file goes with the next look after what nobody has any more."""
    gateway = launch("forgotten")
    assert gateway.client.post("/upload/a.txt", content=b"bytes").status_code == 201
    created = gateway.create(urls=["upload:a.txt"])
    gateway.download(created["archive_hash"])
    assert [note.name for note in gateway.data.glob("uploads/*/needed/*")] == [created["archive_hash"]]
    token = {"X-Delete-Token": created["delete_token"]}
    assert gateway.client.delete(f"/api/archive/{created['archive_hash']}", headers=token).status_code == 204
    gateway.kill()
    gateway.start()
    until = time.monotonic() + 20
    while list(gateway.data.glob("uploads/*/needed/*")):
        assert time.monotonic() < until
        time.sleep(POLL)
