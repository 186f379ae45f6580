"""The key–value form, by its clients' own calls: post one named file or a list of them, get the zip under the key."""

import io
import zipfile
from typing import Any

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

CODE, PHOTO = b"\x89PNG" + bytes(range(256)) * 300, b"\xff\xd8\xff" + b"jpeg" * 50_000


def call(gateway: Gateway, method: str, path: str, **options: Any) -> httpx.Response:
    """One request of a plain client."""
    return httpx.request(method, gateway.base + path, trust_env=False, timeout=30, **options)


def members(body: bytes) -> dict[str, bytes]:
    """What the zip holds, after its reader has checked it."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def urls(origin: Origin) -> tuple[str, str]:
    """Two files whose own names are not those that they are to have in the archive."""
    origin.serve("/kv/1", File(CODE))
    origin.serve("/kv/2", File(PHOTO))
    return origin.url("/kv/1"), origin.url("/kv/2")


def test_health_check_answers_as_its_monitors_expect(gateway: Gateway) -> None:
    """GET /health_check: 200."""
    assert call(gateway, "GET", "/health_check").status_code == 200


def test_archive_img_gives_the_zip_of_one_named_file(gateway: Gateway, urls: tuple[str, str]) -> None:
    """POST one {"filename", "url"} → 201 {"key"}; GET the key → a zip of that file under that name."""
    posted = call(gateway, "POST", "/archive_img", json={"filename": "code.png", "url": urls[0]})
    assert posted.status_code == 201
    assert list(posted.json()) == ["key"]

    got = call(gateway, "GET", f"/archive_img/{posted.json()['key']}")
    assert got.status_code == 200
    assert got.headers["content-type"] == "application/zip"
    assert got.headers["content-disposition"].startswith("attachment;")
    assert members(got.content) == {"code.png": CODE}
    assert posted.headers["location"] == f"{gateway.base}/archive_img/{posted.json()['key']}"


def test_archive_img_gives_the_zip_of_several_named_files(gateway: Gateway, urls: tuple[str, str]) -> None:
    """POST a list of them → one key, one zip, in the list's order; equal names are made unique."""
    files = [
        {"filename": "b/photo.jpg", "url": urls[1]},
        {"filename": "code.png", "url": urls[0]},
        {"filename": "code.png", "url": urls[1]},
    ]
    key = call(gateway, "POST", "/archive_img", json=files).json()["key"]
    assert list(members(call(gateway, "GET", f"/archive_img/{key}").content).items()) == [
        ("b/photo.jpg", PHOTO),
        ("code.png", CODE),
        ("code (2).png", PHOTO),
    ]


def test_archive_img_resumes_and_tells_its_length_as_archives_do(gateway: Gateway, urls: tuple[str, str]) -> None:
    """HEAD pulls nothing and has the length; a Range is the slice of the whole; If-None-Match saves the transfer."""
    key = call(gateway, "POST", "/archive_img", json={"filename": "ranged.png", "url": urls[0]}).json()["key"]
    head = call(gateway, "HEAD", f"/archive_img/{key}")
    assert gateway.status(key)["status"] == "pending"
    part = call(gateway, "GET", f"/archive_img/{key}", headers={"Range": "bytes=100-199"})
    whole = call(gateway, "GET", f"/archive_img/{key}").content
    assert int(head.headers["content-length"]) == len(whole)
    assert (part.status_code, part.content) == (206, whole[100:200])
    tag = {"If-None-Match": head.headers["etag"]}
    assert call(gateway, "GET", f"/archive_img/{key}", headers=tag).status_code == 304


def test_archive_img_gives_the_same_key_when_it_is_posted_again(gateway: Gateway, urls: tuple[str, str]) -> None:
    """The key is the archive's hash; the answer is 201 each time, since its clients know no other."""
    body = {"filename": "again.png", "url": urls[0]}
    first, second = (call(gateway, "POST", "/archive_img", json=body) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    created = gateway.create(entries=[{"name": "again.png", "url": urls[0]}])
    assert created["archive_hash"] == first.json()["key"]


def test_archive_img_is_built_ahead_when_all_archives_are(launch: Launch, origin: Origin) -> None:
    """STREAMZIP_PREFETCH=all holds for this door too."""
    origin.serve("/kv/ahead", File(CODE))
    gateway = launch(prefetch="all")
    body = {"filename": "ahead.png", "url": origin.url("/kv/ahead")}
    assert gateway.until(call(gateway, "POST", "/archive_img", json=body).json()["key"])


def test_archive_img_gives_a_signed_link_when_links_are_signed(launch: Launch, origin: Origin) -> None:
    """With STREAMZIP_SIGNED_LINKS=on the key alone opens nothing; `Location` has the link that does."""
    origin.serve("/kv/signed", File(CODE))
    gateway = launch(signed_links="on")
    body = {"filename": "signed.png", "url": origin.url("/kv/signed")}
    posted = call(gateway, "POST", "/archive_img", json=body)
    assert call(gateway, "GET", f"/archive_img/{posted.json()['key']}").status_code == 403
    got = httpx.get(posted.headers["location"], trust_env=False)
    assert members(got.content) == {"signed.png": CODE}


URL = "https://example.com/a.png"


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"", 400, None),
        (b"filename=a&url=b", 400, None),
        (b'{"filename": "a", "filename": "b"}', 400, None),
        (b"null", 422, ""),
        (b'"x"', 422, ""),
        (b"[]", 422, ""),
        (b"[1]", 422, "/0"),
        (b"{}", 422, "/filename"),
        (b'{"url": "%b"}' % URL.encode(), 422, "/filename"),
        (b'{"filename": "a.png"}', 422, "/url"),
        (b'{"filename": "", "url": "%b"}' % URL.encode(), 422, "/filename"),
        (b'{"filename": 1, "url": "%b"}' % URL.encode(), 422, "/filename"),
        (b'{"filename": "a", "url": "file:///etc/passwd"}', 422, "/url"),
        (b'{"filename": "a", "url": "http://127.0.0.1/"}', 422, "/url"),
        (b'{"name": "a", "filename": "a", "url": "%b"}' % URL.encode(), 422, "/name"),
        (b'[{"filename": "a", "url": "%b"}, {"filename": "b"}]' % URL.encode(), 422, "/1/url"),
    ],
    ids=str,
)
def test_archive_img_refuses_what_names_no_file(
    gateway: Gateway, body: bytes, status: int, pointer: str | None
) -> None:
    """A problem that names the field, and nothing stored."""
    before = gateway.stored()
    response = call(gateway, "POST", "/archive_img", content=body)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    if pointer is not None:
        assert response.json()["errors"][0]["pointer"] == pointer
    assert gateway.stored() == before


def test_archive_img_refuses_more_files_than_an_archive_may_have(launch: Launch) -> None:
    """413, as for every other create."""
    gateway = launch(max_entries="2")
    body = [{"filename": f"{n}.png", "url": URL} for n in range(3)]
    assert call(gateway, "POST", "/archive_img", json=body).status_code == 413


def test_archive_img_knows_only_keys_that_it_gave_out(gateway: Gateway) -> None:
    """404 for the rest, whatever its form."""
    for key in ("0" * 32, "x", "%2e%2e"):
        response = call(gateway, "GET", f"/archive_img/{key}")
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
