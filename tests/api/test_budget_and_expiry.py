"""What is not kept: copies past their budget, archives past their time."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from streamzip.access.api_keys import new_key
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern

MIB = 1 << 20
BUDGET = 4 * MIB + MIB // 2


@pytest.fixture(scope="module")
def small(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with room for four copies of a mebibyte."""
    data = tmp_path_factory.mktemp("small") / "data"
    with Gateway(data, allow=[origin.authority], cache_max_bytes=str(BUDGET), unread_ttl="0") as gateway:
        yield gateway


def taken(gateway: Gateway) -> int:
    """What the copies take on disk."""
    found = 0
    for path in (gateway.data / "spool").rglob("*"):
        if path.is_file() and path.suffix != ".lock":
            found += path.stat().st_blocks * 512
    return found


def eventually(so: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what happens in the background on the gateway's disk."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def archive(gateway: Gateway, origin: Origin, name: str, size: int = MIB, **options: object) -> str:
    """Create an archive of one file that no other archive has."""
    origin.serve(f"/{name}", File(Pattern(size)))
    hash: str = gateway.create(urls=[origin.url(f"/{name}")], **options)["archive_hash"]
    return hash


def test_copies_stay_within_their_budget_and_the_longest_unused_goes(small: Gateway, origin: Origin) -> None:
    """An evicted archive is pulled again: same bytes, same ETag; its status says that there is no copy."""
    hashes = []
    for number in range(6):
        hashes.append(archive(small, origin, f"budget/{number}"))
        response = small.get(hashes[-1])
        small.until(hashes[-1])
        eventually(lambda: taken(small) <= BUDGET)
        if number == 0:
            first = response
    assert [small.copy(hash).exists() for hash in hashes] == [False, False, True, True, True, True]
    status = small.status(hashes[0])
    assert (status["status"], status["cached"]) == ("completed", False)
    again = small.get(hashes[0])
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    eventually(lambda: taken(small) <= BUDGET)
    eventually(lambda: small.copy(hashes[0]).exists() and not small.copy(hashes[2]).exists())


def test_archive_is_streamed_without_a_copy_when_the_others_are_all_being_read(small: Gateway, origin: Origin) -> None:
    """What is read cannot be evicted, and the budget holds all the same."""
    origin.serve("/crowd/held", File(Pattern(3 * MIB), hold_at=2 * MIB))
    held = small.create(entries=[{"url": origin.url("/crowd/held"), "size": 3 * MIB}])["archive_hash"]
    reading = threading.Thread(target=small.download, args=(held,))
    reading.start()
    origin.until(lambda origin: origin.sent("/crowd/held") >= 2 * MIB)
    other = archive(small, origin, "crowd/other", 3 * MIB)
    assert len(small.download(other)) > 3 * MIB
    assert not small.copy(other).exists()
    assert taken(small) <= BUDGET
    origin.release("/crowd/held")
    reading.join(20)
    small.until(held)


def test_archive_is_gone_when_its_time_is_over(small: Gateway, origin: Origin) -> None:
    """404 to everything at once, as if it had never been; copy, list and plan follow; the same create begins anew."""
    hash = archive(small, origin, "expiry/a", expires_in=2)
    small.download(hash)
    assert small.status(hash)["expires_at"] is not None
    stored = small.stored()
    eventually(lambda: small.get(hash).status_code == 404)
    for method, path in (
        ("HEAD", f"/archive/get/{hash}.zip"),
        ("GET", f"/api/archive/status/{hash}"),
        ("POST", f"/api/archive/prefetch/{hash}"),
        ("DELETE", f"/api/archive/{hash}"),
    ):
        assert small.client.request(method, path).status_code == 404
    assert small.get(hash).json()["detail"] == small.get("0" * 32).json()["detail"]
    folder = small.copy(hash).parent
    eventually(lambda: small.stored() < stored and not list(folder.glob(f"{hash}.*")), 20)
    assert archive(small, origin, "expiry/a") == hash
    assert small.status(hash)["expires_at"] is None


def test_create_begins_anew_when_the_expired_archive_is_not_swept_yet(small: Gateway, origin: Origin) -> None:
    """What is expired is gone, whether its disk is free already or not."""
    hash = archive(small, origin, "expiry/b", expires_in=2)
    small.download(hash)
    eventually(lambda: small.get(hash).status_code == 404)
    created = small.client.post("/api/archive/create", json={"urls": [origin.url("/expiry/b")], "expires_in": 60})
    assert (created.status_code, created.json()["status"]) == (201, "pending")
    assert small.status(hash)["expires_at"] is not None


def test_repeated_create_takes_the_later_time(small: Gateway, origin: Origin) -> None:
    """Never the earlier one; and for ever is the latest."""
    hash = archive(small, origin, "expiry/c", expires_in=100)
    first = small.status(hash)["expires_at"]
    archive(small, origin, "expiry/c", expires_in=10)
    assert small.status(hash)["expires_at"] == first
    later = small.create(urls=[origin.url("/expiry/c")], expires_in=1000)["expires_at"]
    assert first < later == small.status(hash)["expires_at"]
    archive(small, origin, "expiry/c")
    assert small.status(hash)["expires_at"] is None


def test_default_time_is_the_operators_when_create_says_nothing(launch: Launch, origin: Origin) -> None:
    """A create's own wish goes before it; what lies on the shelf without an archive is removed at the start."""
    gateway = launch(default_ttl="1000")
    created = gateway.create(urls=[origin.url("/expiry/default")])
    own = gateway.create(urls=[origin.url("/expiry/own")], expires_in=10)
    assert created["expires_at"] > own["expires_at"]
    assert gateway.status(created["archive_hash"])["expires_at"] == created["expires_at"]
    hash = archive(gateway, origin, "orphan")
    gateway.download(hash)
    gateway.until(hash)
    gateway.stop()
    orphan = Path(str(gateway.copy(hash)).replace(hash, "ff" * 16).replace(f"/{hash[:2]}/", "/ff/"))
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(bytes(MIB))
    orphan.with_suffix(".lock").touch()
    gateway.start()
    eventually(lambda: not orphan.exists())
    assert gateway.copy(hash).exists()


def test_archive_stands_for_ever_once_it_was_downloaded(launch: Launch, origin: Origin) -> None:
    """One byte is enough; building it ahead, or looking at it, is no download."""
    gateway = launch(unread_ttl="1000")
    read, built, seen = (archive(gateway, origin, f"unread/{name}") for name in ("read", "built", "seen"))
    assert gateway.client.post(f"/api/archive/prefetch/{built}").status_code == 202
    assert gateway.client.head(f"/archive/get/{seen}.zip").status_code == 200
    gateway.until(built)
    assert gateway.client.get(f"/archive/get/{read}.zip", headers={"Range": "bytes=0-0"}).status_code == 206
    eventually(lambda: gateway.status(read)["expires_at"] is None)
    assert gateway.status(built)["expires_at"] is not None
    assert gateway.status(seen)["expires_at"] is not None


def test_archive_that_nobody_downloads_ends(launch: Launch, origin: Origin) -> None:
    """As one whose time was set; the store forgets it."""
    gateway = launch(unread_ttl="1")
    hash = archive(gateway, origin, "unread/ends")
    eventually(lambda: gateway.client.get(f"/api/archive/status/{hash}").status_code == 404)
    eventually(lambda: gateway.stored() == 0, 20)


def test_budget_of_a_key_bounds_all_that_its_lists_make_grow(launch: Launch, origin: Origin) -> None:
    """Short lists may grow by what is said beside them: it is counted with them, and ends with 507."""
    ways = ("pages", "receivers", "newer", "other")
    own = {way: new_key(way) for way in ways}
    keys = ",".join(line for _, line in own.values())
    gateway = launch(api_keys=keys, kept_bytes_per_key="200KiB", max_attempts="1")
    random = Random(1)

    def long(path: str) -> str:
        return origin.url(f"{path}/{random.randbytes(3500).hex()}")

    def post(way: str, path: str, **body: object) -> httpx.Response:
        return gateway.client.post(path, json=body, headers={"Authorization": f"Bearer {own[way][0]}"})

    def grow(way: str, number: int) -> int:
        create = "/api/archive/create"
        if way == "pages":
            return post(way, "/download", url=long("/page")).status_code
        if way == "receivers":
            url = origin.url(f"/grown/{number // 16}")
            return post(way, create, urls=[url], webhook=long("/hook")).status_code
        urls = [long("/id") if number else origin.url("/id") for _ in range(70)]
        entries = [{"id": str(each), "name": f"{each}", "url": newer} for each, newer in enumerate(urls)]
        return post(way, create, entries=entries).status_code

    for way in ways[:-1]:
        assert grow(way, 0) in (201, 202), way
        assert any(grow(way, number) == 507 for number in range(1, 33)), way
    assert post("other", "/api/archive/create", urls=[origin.url("/grown/other")]).status_code == 201


def test_create_is_refused_when_as_many_archives_are_kept_as_may_be(launch: Launch, origin: Origin) -> None:
    """507 that says what to do; what exists is created again; a deletion makes room."""
    gateway = launch(kept_archives="2")
    first = gateway.create(urls=[origin.url("/kept/0")])
    gateway.create(urls=[origin.url("/kept/1")])
    body = {"urls": [origin.url("/kept/2")]}
    for path in ("/api/archive/create", "/api/archive/download"):
        refused = gateway.client.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (507, "store_budget")
        assert "expires_in" in refused.json()["detail"]
    assert gateway.create(urls=[origin.url("/kept/0")])["archive_hash"] == first["archive_hash"]
    token = {"X-Delete-Token": first["delete_token"]}
    assert gateway.client.delete(f"/api/archive/{first['archive_hash']}", headers=token).status_code == 204
    eventually(lambda: gateway.client.post("/api/archive/create", json=body).status_code == 201)
