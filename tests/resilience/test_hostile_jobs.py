"""Background work that cannot end, or hardly advances, holds up no other, and says why it waits."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import Answer, File, Origin, Silence, Status

SLOTS = 2
WITHIN = 15.0  # seconds; two turns of the patience below, and what a loaded machine takes
BODY = bytes(range(256)) * 40
HOSTILE: dict[str, Answer] = {
    "silent": Silence(),
    "hangs": File(BODY * 100, hold_at=5000),
    "hangs-open": File(BODY * 100, chunked=True, ranges=False, etag=None, hold_at=5000),
    "drips": File(BODY * 100, drip=200, pause=0.1),
    "drips-open": File(BODY * 100, chunked=True, ranges=False, etag=None, drip=200, pause=0.1),
}


@pytest.fixture(scope="module")
def crowded(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of two slots, whose patience is short."""
    data = tmp_path_factory.mktemp("crowded") / "data"
    settings = {"job_slots": str(SLOTS), "job_patience": "0.4"}
    with Gateway(data, allow=[origin.authority], **settings) as gateway:
        yield gateway


def test_prefetch_gets_through_when_hostile_ones_hold_every_slot(crowded: Gateway, origin: Origin) -> None:
    """Of whatever kind, and more of them than slots: silent ones, such that stop in the middle, such that drip."""
    hostile = {}
    for name, answer in HOSTILE.items():
        origin.serve(f"/hostile/{name}", answer)
        entries = [{"url": origin.url(f"/hostile/{name}"), "name": "a", "size": 1_024_000}]
        hostile[name] = crowded.create(entries=entries, prefetch=True, compression="store")["archive_hash"]
    origin.serve("/hostile/honest", File(BODY))
    began = time.monotonic()
    for number in range(3):
        entries = [{"url": origin.url("/hostile/honest"), "name": f"{number}"}]
        crowded.until(crowded.create(entries=entries, prefetch=True)["archive_hash"], seconds=WITHIN)
    assert time.monotonic() - began < WITHIN
    waiting = {
        name: crowded.until(hash, lambda status: "reason" in status["prefetch"]) for name, hash in hostile.items()
    }
    told = {line["archive"]: line for line in crowded.log if line["event"] in ("prefetch_put_off", "prefetch_failed")}
    for name, hash in hostile.items():
        assert waiting[name]["prefetch"]["reason"] in {"slow", "timed_out", "no_slot", "share", "not_ready"}, name
        assert hash in told or waiting[name]["prefetch"]["reason"] in {"no_slot", "share"}, name
        assert crowded.client.delete(f"/api/archive/prefetch/{hash}").status_code == 204
    assert any(line["event"] == "slots_taken" for line in crowded.log)


def test_page_gets_through_when_pages_that_hang_hold_every_slot(crowded: Gateway, origin: Origin) -> None:
    """The others are read later, in their turn."""
    origin.serve("/hostile/silent-page", Silence())
    silent = {"url": origin.url("/hostile/silent-page")}
    paths = [crowded.client.post("/download", json=silent).headers["location"] for _ in range(SLOTS + 1)]
    html = b'<img src="/hostile/image.png">'
    origin.serve("/hostile/page", File(html, fields=(("Content-Type", "text/html"),)))
    origin.serve("/hostile/image.png", File(BODY, fields=(("Content-Type", "image/png"),)))
    path = crowded.client.post("/download", json={"url": origin.url("/hostile/page")}).headers["location"]
    deadline = time.monotonic() + WITHIN
    while crowded.client.get(path).status_code == 202:
        assert time.monotonic() < deadline
    assert crowded.client.get(path).status_code == 200
    assert crowded.logged("page_put_off")["reason"] == "slow"
    reasons = {crowded.client.get(path).json().get("reason") for path in paths}
    assert reasons & {"slow", "no_slot", "share"}


@pytest.mark.slow
def test_drip_ends_when_it_is_given_turn_after_turn(crowded: Gateway, origin: Origin) -> None:
    """What came in one turn is there in the next one: slow ones beside each other all end."""
    hashes = []
    for number in range(SLOTS + 1):
        origin.serve(f"/hostile/turns/{number}", File(BODY * 10, drip=2000, pause=0.1))
        urls = [origin.url(f"/hostile/turns/{number}")]
        hashes.append(crowded.create(urls=urls, prefetch=True, compression="store")["archive_hash"])
    for hash in hashes:
        crowded.until(hash, seconds=100)


def test_prefetch_of_nothing_that_can_be_had_ends_with_its_error(crowded: Gateway, origin: Origin) -> None:
    """Where every entry is 404, no further attempt is made, and the status has the reason."""
    origin.serve("/hostile/gone", Status(404))
    hash = crowded.create(urls=[origin.url("/hostile/gone")], prefetch=True)["archive_hash"]
    status = crowded.until(hash, lambda status: status["prefetch"]["state"] == "failed")
    assert (status["status"], status["code"]) == ("failed", "no_entries")
    assert status["prefetch"] == {"state": "failed", "reason": "no_entries", "attempts": 1}
    assert crowded.logged("prefetch_ended")["code"] == "no_entries"


def test_prefetch_is_refused_when_the_disk_could_never_take_it(launch: Launch, origin: Origin, tmp_path: Path) -> None:
    """Shorter than the budget, longer than the disk: 409 at once where the length is known, and no slot is taken."""
    origin.serve("/hostile/vast", Silence())
    size = shutil.disk_usage(tmp_path).total + 1
    gateway = launch(cache_max_bytes="1000TiB", max_entry_bytes="900TiB", max_archive_bytes="900TiB")
    entries = [{"url": origin.url("/hostile/vast"), "name": "vast", "size": size}]
    hash = gateway.create(entries=entries, compression="store", prefetch=True)["archive_hash"]
    status = gateway.until(hash, lambda status: status["prefetch"]["state"] == "failed")
    assert (status["status"], status["active"], status["prefetch"]["reason"]) == ("pending", False, "no_cache")
    refused = gateway.client.post(f"/api/archive/prefetch/{hash}")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_cache")
