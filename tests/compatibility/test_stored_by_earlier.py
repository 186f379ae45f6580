"""What an earlier release stored is opened by this one: archives, copies half filled in, builds, sessions, links.

The folder and how it was made: tests/support/samples.py.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import samples
from tests.support.gateway import Gateway
from tests.support.origin import Origin
from tests.support.samples import FILES, MIB, PART, Samples


@pytest.fixture
def stored(tmp_path: Path) -> Samples:
    return samples.unpack(tmp_path / "data")


@pytest.fixture
def origin() -> Iterator[Origin]:
    with samples.origin() as origin:
        yield origin


@pytest.fixture
def gateway(stored: Samples, origin: Origin, tmp_path: Path) -> Iterator[Gateway]:
    with stored.gateway(tmp_path / "data") as gateway:
        yield gateway


def test_archives_stored_by_an_earlier_release_come_out_the_same(
    gateway: Gateway, stored: Samples, origin: Origin
) -> None:
    """A finished copy, one half filled in with known places, one with places that appear, and a queued build: each goes
    on from what is there, comes out byte for byte, by the link that was signed then, and nothing is pulled twice.
    """
    hashes = {name: answer["archive_hash"] for name, answer in stored.created.items()}
    assert gateway.status(hashes["finished"])["status"] == "completed"
    for name in ("exact", "open", "queued"):
        gateway.until(hashes[name])  # builds that were queued go on by themselves
    for name, digest in stored.digests.items():
        with httpx.Client(base_url=gateway.base, trust_env=False) as client:  # the link is enough, without the key
            link = httpx.URL(stored.created[name]["url"])
            answer = client.get(link.raw_path.decode())
        assert answer.status_code == 200, answer.text
        assert hashlib.sha256(answer.content).hexdigest() == digest
    assert origin.requests("/samples/ended.txt") == []
    assert origin.sent("/samples/small.bin") == len(FILES["/samples/small.bin"])  # one archive lacked it
    # One part was there, and a MiB of another.
    assert origin.sent("/samples/large.bin") == PART - MIB
    assert {request.fields["range"] for request in origin.requests("/samples/large.bin")} == {
        f"bytes={PART + MIB}-{2 * PART - 1}"
    }


def test_a_session_of_an_earlier_release_counts(gateway: Gateway, stored: Samples) -> None:
    """What was signed then is a session still, with its owner's name; under the name that the cookie has by now."""
    headers = {"Accept": "text/html", "Cookie": f"__Host-streamzip_session={stored.session}"}
    with httpx.Client(base_url=gateway.base, trust_env=False, headers=headers) as browser:
        page = browser.get("/upload")
    assert page.status_code == 200
    assert "ann" in page.text


def test_creating_an_archive_of_an_earlier_release_again_finds_it(gateway: Gateway, stored: Samples) -> None:
    """The same request gives the same hash, and the token of then deletes it."""
    again = gateway.create(**samples.body("finished"))
    assert again["archive_hash"] == stored.created["finished"]["archive_hash"]
    assert again["delete_token"] == stored.created["finished"]["delete_token"]
    assert again["status"] == "completed"
