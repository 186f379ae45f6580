"""The three calls of the take-home contract, word for word: create, status until completed, get."""

import io
import time
import zipfile

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import POLL, Gateway
from tests.support.origin import File, Origin

IMAGE, MOVIE = b"\x89PNG" + bytes(range(256)) * 90, b"mdat" * 500_000


@pytest.fixture(scope="module")
def urls(origin: Origin) -> list[str]:
    """Two files, as a client of the contract would name them."""
    origin.serve("/contract/a.png", File(IMAGE))
    origin.serve("/contract/b.mov", File(MOVIE))
    return [origin.url("/contract/a.png"), origin.url("/contract/b.mov")]


def call(gateway: Gateway, method: str, path: str, **options: object) -> httpx.Response:
    """One request of a plain client."""
    return httpx.request(method, gateway.base + path, trust_env=False, timeout=30, **options)  # type: ignore[arg-type]


def assert_holds_both(body: bytes) -> None:
    """The zip has the two files, whole."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.png": IMAGE, "b.mov": MOVIE}


def poll(gateway: Gateway, hash: str) -> tuple[list[str], dict[str, object]]:
    """The states that a polling client sees until `completed`, and the last document."""
    seen, deadline = [], time.monotonic() + 20
    while time.monotonic() < deadline:
        document = call(gateway, "GET", f"/api/archive/status/{hash}").json()
        seen.append(document["status"])
        if document["status"] == "completed":
            return seen, document
        time.sleep(POLL)
    raise AssertionError(f"never completed: {seen[-1:]}")


def test_contract_holds_with_prefetch_of_urls(launch: Launch, origin: Origin, urls: list[str]) -> None:
    """Under STREAMZIP_PREFETCH=urls: create, status from in-progress to completed, and its url has the zip."""
    gateway = launch(prefetch="urls")
    origin.serve("/contract/held.mov", File(MOVIE, hold_at=1000))

    created = call(gateway, "POST", "/api/archive/create", json={"urls": [urls[0], origin.url("/contract/held.mov")]})
    assert created.status_code == 201
    hash = created.json()["archive_hash"]
    assert call(gateway, "GET", f"/api/archive/status/{hash}").json()["status"] == "in-progress"

    origin.release("/contract/held.mov")
    seen, document = poll(gateway, hash)
    assert set(seen) <= {"in-progress", "completed"}
    body = httpx.get(str(document["url"]), trust_env=False)
    assert body.status_code == 200
    assert body.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(body.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a.png", "held.mov"]


def test_contract_holds_by_default_with_one_prefetch_between(gateway: Gateway, urls: list[str]) -> None:
    """With the default settings: nothing is pulled until one prefetch is asked for; then status completes by itself."""
    hash = call(gateway, "POST", "/api/archive/create", json={"urls": urls}).json()["archive_hash"]
    assert call(gateway, "GET", f"/api/archive/status/{hash}").json()["status"] == "pending"

    assert call(gateway, "POST", f"/api/archive/prefetch/{hash}").status_code == 202
    seen, document = poll(gateway, hash)
    assert set(seen) <= {"in-progress", "completed"}
    assert_holds_both(httpx.get(str(document["url"]), trust_env=False).content)
    assert call(gateway, "POST", f"/api/archive/prefetch/{hash}").status_code == 200


def test_contract_holds_by_default_with_one_get_between(gateway: Gateway, urls: list[str]) -> None:
    """With the default settings: the first GET streams the zip and completes it; the url then has the same bytes."""
    hash = call(gateway, "POST", "/api/archive/create", json={"urls": list(reversed(urls))}).json()["archive_hash"]

    first = call(gateway, "GET", f"/archive/get/{hash}.zip")
    assert first.status_code == 200
    assert_holds_both(first.content)
    _, document = poll(gateway, hash)
    assert document["size"] == len(first.content)
    assert document["progress"] == {
        "bytes": len(first.content),
        "total_bytes": len(first.content),
        "entries": 2,
        "total_entries": 2,
    }
    again = httpx.get(str(document["url"]), trust_env=False)
    assert again.content == first.content
    assert again.headers["etag"] == first.headers["etag"]


def test_contract_holds_with_prefetch_from_create(gateway: Gateway, urls: list[str]) -> None:
    """`"prefetch": true` in the create itself builds at once, whatever the default is."""
    body = {"urls": urls, "filename": "asked.zip", "prefetch": True}
    created = call(gateway, "POST", "/api/archive/create", json=body)
    seen, document = poll(gateway, created.json()["archive_hash"])
    assert set(seen) <= {"in-progress", "completed"}
    response = httpx.get(str(document["url"]), trust_env=False)
    assert 'filename="asked.zip"' in response.headers["content-disposition"]
    assert_holds_both(response.content)


def test_create_gives_the_same_archive_when_it_is_repeated(gateway: Gateway, urls: list[str]) -> None:
    """Create is idempotent: the same request is the same archive, 200 instead of 201, with the same delete token."""
    body = {"urls": urls, "filename": "twice.zip"}
    first = call(gateway, "POST", "/api/archive/create", json=body)
    second = call(gateway, "POST", "/api/archive/create", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    for field in ("archive_hash", "delete_token", "url", "status_url", "entries"):
        assert first.json()[field] == second.json()[field]
    assert (
        first.json()["archive_hash"]
        != call(gateway, "POST", "/api/archive/create", json={"urls": urls, "filename": "other.zip"}).json()[
            "archive_hash"
        ]
    )
