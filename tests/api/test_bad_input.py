"""Bad input gets a problem that names the field, and nothing is stored, on the running gateway."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

URL = "http://example.com/a"  # never dialled: no create of these is accepted


@pytest.fixture(autouse=True)
def nothing_stored(gateway: Gateway) -> Iterator[None]:
    """What a test here sends must not become an archive."""
    before = gateway.stored()
    yield
    assert gateway.stored() == before


def post(gateway: Gateway, body: bytes, content_type: str = "application/json") -> httpx.Response:
    """A create of these very bytes."""
    return gateway.client.post("/api/archive/create", content=body, headers={"Content-Type": content_type})


def assert_problem(response: httpx.Response, status: int, code: str, pointer: str | None = None) -> None:
    """An RFC 9457 document with this code; for a wrong field, with its pointer first."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    document = response.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["title"]
    assert document["detail"]
    if pointer is not None:
        assert document["errors"][0]["pointer"] == pointer
        assert document["errors"][0]["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"urls=http://example.com/",
        b'{"urls": ["http://example.com/"]',
        b'{"urls": ["http://example.com/"]} x',
        b'{"urls": ["http://example.com/"], "urls": ["http://example.com/"]}',
        b'{"urls": [NaN]}',
        b"\xff\xfe{}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"urls": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=["empty", "form", "cut", "trailing", "twice", "nan", "utf-16", "deep", "deep-urls", "deep-objects"],
)
def test_create_refuses_what_is_not_json(gateway: Gateway, body: bytes) -> None:
    """Not JSON, or JSON that no parser should be asked to read: 400."""
    assert_problem(post(gateway, body), 400, "invalid_json")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/urls"),
        ([], ""),
        ("http://example.com/", ""),
        ({"urls": []}, "/urls"),
        ({"entries": []}, "/entries"),
        ({"urls": None}, "/urls"),
        ({"urls": URL}, "/urls"),
        ({"urls": {"0": URL}}, "/urls"),
        ({"urls": [URL], "entries": [{"url": URL}]}, "/urls"),
        ({"urls": [7]}, "/urls/0"),
        ({"entries": [URL]}, "/entries/0"),
        ({"entries": [{"name": "a"}]}, "/entries/0/url"),
        ({"entries": [{"url": URL, "name": 7}]}, "/entries/0/name"),
        ({"entries": [{"url": URL, "name": "\ud800"}]}, "/entries/0/name"),
        ({"entries": [{"url": URL, "size": "5"}]}, "/entries/0/size"),
        ({"entries": [{"url": URL, "size": -1}]}, "/entries/0/size"),
        ({"entries": [{"url": URL, "size": 5.0}]}, "/entries/0/size"),
        ({"entries": [{"url": URL, "size": True}]}, "/entries/0/size"),
        ({"entries": [{"url": URL, "size": 2**64}]}, "/entries/0/size"),
        ({"entries": [{"url": URL, "crc32": 5}]}, "/entries/0/crc32"),
        ({"entries": [{"url": URL, "crc32": "0x12345678"}]}, "/entries/0/crc32"),
        ({"entries": [{"url": URL, "crc32": "1234567"}]}, "/entries/0/crc32"),
        ({"entries": [{"url": URL, "mtime": "yesterday"}]}, "/entries/0/mtime"),
        ({"entries": [{"url": URL, "mtime": 0}]}, "/entries/0/mtime"),
        ({"urls": [URL], "compression": "zip"}, "/compression"),
        ({"urls": [URL], "prefetch": "yes"}, "/prefetch"),
        ({"urls": [URL], "filename": 5}, "/filename"),
    ],
    ids=str,
)
def test_create_names_the_wrong_field(gateway: Gateway, body: object, pointer: str) -> None:
    """A field that is missing, empty or of another type: 422 with its JSON Pointer."""
    assert_problem(post(gateway, json.dumps(body).encode()), 422, "invalid_request", pointer)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.png",
        "//example.com/a",
        "http:",
        "http://",
        "https:///a",
        "ftp://example.com/a",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:text/plain,a",
        "javascript:alert(1)",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://exa mple.com/",
        "http://example.com/\r\nHost: other",
        "http://example.com/\x00",
        "http://127.0.0.1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
    ],
    ids=repr,
)
def test_create_refuses_what_may_not_be_fetched(gateway: Gateway, url: str) -> None:
    """Not a URL, another scheme, credentials, control characters, private address literals: 422 that names the row."""
    assert_problem(post(gateway, json.dumps({"urls": [URL, url]}).encode()), 422, "invalid_request", "/urls/1")
    entries = [{"url": URL}, {"url": url}]
    response = post(gateway, json.dumps({"entries": entries}).encode())
    assert_problem(response, 422, "invalid_request", "/entries/1/url")
    if "password" in url:
        assert "password@" not in response.text


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("url", "urls"), ("file_name", "filename"), ("Compression", "compression"), ("pre-fetch", "prefetch")],
)
def test_create_names_the_nearest_key_for_an_unknown_one(gateway: Gateway, key: str, nearest: str) -> None:
    """An unknown option is never ignored: 422 that says which one was probably meant."""
    response = post(gateway, json.dumps({"urls": [URL], key: "x"}).encode())
    assert_problem(response, 422, "invalid_request", f"/{key}")
    assert f"`{nearest}`" in response.json()["errors"][0]["detail"]


def test_create_never_repeats_an_entry_s_headers_that_it_refuses(gateway: Gateway) -> None:
    """The value may be a secret with one wrong letter; the answer names the field, and no more."""
    body = {"entries": [{"url": URL, "headers": {"Authorization": "Bearer s3cret\n"}}]}
    response = post(gateway, json.dumps(body).encode())
    assert_problem(response, 422, "invalid_request", "/entries/0/headers")
    assert "s3cret" not in response.text


def test_create_shows_every_wrong_field_at_once(gateway: Gateway) -> None:
    """A client need not mend its list row by row."""
    response = post(gateway, json.dumps({"urls": ["ftp://a/", URL, "http://127.0.0.1/"]}).encode())
    assert [error["pointer"] for error in response.json()["errors"]] == ["/urls/0", "/urls/2"]


def test_create_refuses_more_than_its_limits(launch: Launch) -> None:
    """A body over the limit, said or found out, and too many entries: 413 that names the limit."""
    gateway = launch(max_body_bytes="2000", max_entries="10")
    many = json.dumps({"urls": [f"http://example.com/{n}" for n in range(11)]}).encode()
    assert len(many) < 2000
    assert_problem(post(gateway, many), 413, "too_large")
    said = post(gateway, json.dumps({"urls": [URL + "x" * 2000]}).encode())
    assert_problem(said, 413, "body_too_large")
    assert "2000" in said.json()["detail"]

    def chunks() -> Iterator[bytes]:
        yield b'{"urls": ["'
        for _ in range(100):
            yield b"x" * 1000

    found = gateway.client.post("/api/archive/create", content=chunks())
    assert_problem(found, 413, "body_too_large")
    assert gateway.stored() == 0


def test_create_reads_json_whatever_its_content_type_says(gateway: Gateway, launch: Launch, origin: Origin) -> None:
    """The body's type is what it is, not what it is called: curl -d says it is a form."""
    other = launch()
    origin.serve("/typed/a", File(b"a"))
    body = json.dumps({"urls": [origin.url("/typed/a")]}).encode()
    assert post(other, body, "application/x-www-form-urlencoded").status_code == 201
    assert post(other, body, "text/plain").status_code == 200


def test_hostile_and_duplicate_names_are_cleaned_and_reported(launch: Launch, origin: Origin) -> None:
    """Names are not refused where a safe one exists: the answer lists what was renamed, and to what."""
    gateway = launch()
    origin.serve("/named/a", File(b"a"))
    wished = ["a.png", "A.PNG", "../../etc/passwd", "/abs", "C:\\x\\y", "con.txt", "dir", "dir/file", "tab\there", ""]
    body = {"entries": [{"url": origin.url("/named/a"), "name": name} for name in wished]}
    document = gateway.create(**body)
    renamed = {entry["index"]: entry for entry in document["renamed"]}
    assert 0 not in renamed
    for index, entry in renamed.items():
        assert entry["requested"] == wished[index]
        parts = entry["name"].split("/")
        assert ".." not in parts
        assert "" not in parts
        assert not set(entry["name"]) & set('\\:*?"<>|\t')
    assert renamed[1]["name"] == "A (2).PNG"
    assert {1, 2, 3, 4, 5, 8} <= renamed.keys()


@pytest.mark.parametrize("host", ["", "a b", "evil.example/path", "x@y", 'a"b', "a\x7f"])
@pytest.mark.alone
def test_create_refuses_a_host_that_is_none(gateway: Gateway, host: str) -> None:
    """Links are made of the Host field: one that names no host is refused before anything is stored."""
    body = json.dumps({"urls": [URL]}).encode()
    response = gateway.client.post("/api/archive/create", content=body, headers={"Host": host})
    assert response.status_code in (400, 422)


@pytest.mark.parametrize("path", ["/healthz%0a", "/docs%0a", "/api/archive%0a"])
def test_path_with_a_line_feed_is_another_path(gateway: Gateway, path: str) -> None:
    """What a log or a proxy in front takes for one path must not be answered as another."""
    assert gateway.client.get(path).status_code == 404


def test_archive_has_no_line_feed_behind_its_name(launch: Launch, origin: Origin) -> None:
    """Its path, followed by one, is not found."""
    gateway = launch()
    origin.serve("/fed/a", File(b"a"))
    hash = gateway.create(urls=[origin.url("/fed/a")])["archive_hash"]
    assert gateway.client.head(f"/archive/get/{hash}.zip%0a").status_code == 404
    assert gateway.client.head(f"/archive/get/{hash}.zip").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/a/{hash}/files/{digits}",
        "/api/archive/status/{hash}?errors_from={digits}",
        "/api/archive/status/{hash}?entries=1&members_from={digits}",
        "/api/archive?limit={digits}",
        "/api/archive?after=1.{digits}_{hash}",
        "/archive/get/{hash}.zip?expires={digits}&signature={hash}{hash}",
        "/download/{digits}",
        "/archive/{digits}/",
        "/archive_img/{digits}",
    ],
)
def test_number_of_thousands_of_digits_is_no_failure(gateway: Gateway, path: str) -> None:
    """Python's int() raises beyond 4,300 digits: a number in a path or a query is refused as any other."""
    answer = gateway.client.get(path.format(hash="a" * 32, digits="9" * 4400))
    assert 400 <= answer.status_code < 500
    assert not [line for line in gateway.log if line["event"] == "unexpected failure"]


@pytest.mark.parametrize(("method", "status"), [("BREW", 501), ("PROPFIND", 405)])
def test_method_that_is_none_is_told_apart_from_one_that_is_not_allowed(
    gateway: Gateway, method: str, status: int
) -> None:
    """501 for what no server knows (RFC 9110 §15.6.2), 405 for what this path does not have."""
    assert gateway.client.request(method, "/healthz").status_code == status
