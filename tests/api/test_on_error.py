"""What becomes of an archive some of whose entries cannot be had: `on_error`, `refresh`, and the next generation."""

import io
import json
import zipfile
from itertools import count
from typing import Any

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Status
from tests.support.resuming import is_stale, resume

GOOD = File(b"good" * 100)
_NUMBERS = count()


class List:
    """Two entries of paths of their own: `good.bin`, and the one whose answers a test scripts."""

    def __init__(self, gateway: Gateway, origin: Origin, *answers: Any, **given: Any) -> None:
        self._gateway = gateway
        self._origin = origin
        self._given = given
        self.path = f"/on-error/{next(_NUMBERS)}"
        origin.serve("/on-error/good", GOOD)
        origin.serve(self.path, *answers)

    def create(self, **options: Any) -> str:
        """Create the archive; its hash."""
        hash: str = self._gateway.create(
            entries=[
                {"url": self._origin.url("/on-error/good"), "name": "good.bin"},
                {"url": self._origin.url(self.path) + "?token=hidden", "name": "other.bin", **self._given},
            ],
            **options,
        )["archive_hash"]
        return hash

    def heal(self) -> None:
        """From now on its origin gives the file."""
        self._origin.serve(self.path, File(b"other" * 100))


def names(gateway: Gateway, hash: str) -> list[str]:
    """The members of the archive."""
    with zipfile.ZipFile(io.BytesIO(gateway.download(hash))) as opened:
        assert opened.testzip() is None
        return opened.namelist()


def test_an_entry_is_left_out_when_nothing_else_was_asked_for(gateway: Gateway, origin: Origin) -> None:
    """`skip` is the default: the archive is made, and its report, its status and `?entries=1` name what it lacks."""
    listed = List(gateway, origin, Status(404))
    hash = listed.create()
    assert hash == listed.create(on_error="skip")
    with zipfile.ZipFile(io.BytesIO(gateway.download(hash))) as opened:
        assert opened.namelist() == ["good.bin", "archive-report.json"]
        report = json.loads(opened.read("archive-report.json"))
    status = gateway.status(hash, "?entries=1")
    assert report["skipped"] == status["errors"]
    assert [(error["index"], error["name"], error["code"]) for error in status["errors"]] == [
        (1, "other.bin", "http_404")
    ]
    assert "hidden" not in json.dumps([report, status])
    assert [member["state"] for member in status["members"]] == ["completed", "skipped"]


def test_an_archive_fails_before_its_first_byte_when_that_was_asked_for(gateway: Gateway, origin: Origin) -> None:
    """`fail`: the entry's problem instead of an archive without it; another GET tries again."""
    listed = List(gateway, origin, Status(404))
    hash = listed.create(on_error="fail")
    for answer in (gateway.get(hash), gateway.get(hash, {"Range": "bytes=0-0"})):
        assert (answer.status_code, answer.json()["code"]) == (502, "entry_failed")
        assert "entry 1 (other.bin)" in answer.json()["detail"]
        assert "hidden" not in answer.text
    status = gateway.status(hash, "?entries=1")
    assert (status["status"], status["code"]) == ("failed", "entry_failed")
    assert [member["state"] for member in status["members"]] == ["pending", "failed"]
    listed.heal()
    assert names(gateway, hash) == ["good.bin", "other.bin"]
    healed = gateway.until(hash)
    assert healed["errors"] == []


def test_a_prefetch_fails_when_an_entry_cannot_be_had_and_that_was_asked_for(gateway: Gateway, origin: Origin) -> None:
    """`fail` holds for the background too."""
    hash = List(gateway, origin, Status(410)).create(on_error="fail", prefetch=True)
    assert gateway.until(hash, "failed")["code"] == "entry_failed"


def test_the_policy_is_part_of_what_was_asked_for(gateway: Gateway, origin: Origin) -> None:
    """It changes the bytes, so it changes the hash."""
    listed = List(gateway, origin, GOOD)
    assert listed.create(on_error="fail") != listed.create()


def test_a_create_takes_a_new_snapshot_when_the_last_one_lacks_what_may_be_there_by_now(
    launch: Launch, origin: Origin
) -> None:
    """Left out because its origin was down: the next create asks again, and the old link keeps its bytes."""
    gateway = launch(max_attempts="1")
    listed = List(gateway, origin, Status(503))
    first = listed.create()
    body = gateway.download(first)
    assert gateway.status(first)["errors"][0]["code"] == "http_503"
    listed.heal()
    second = listed.create()
    assert second != first
    assert names(gateway, second) == ["good.bin", "other.bin"]
    assert listed.create() == second
    assert gateway.download(first) == body


@pytest.mark.parametrize("code", [404, 410])
def test_a_create_gives_the_same_archive_when_what_it_lacks_is_gone_for_good(
    gateway: Gateway, origin: Origin, code: int
) -> None:
    """An origin that says so is believed: create stays idempotent. `refresh` asks again all the same."""
    listed = List(gateway, origin, Status(code))
    first = listed.create()
    assert names(gateway, first) == ["good.bin", "archive-report.json"]
    listed.heal()
    assert listed.create() == first
    second = listed.create(refresh=True)
    assert second != first
    assert names(gateway, second) == ["good.bin", "other.bin"]


def test_a_refresh_is_an_archive_of_its_own(gateway: Gateway, origin: Origin) -> None:
    """Each is a snapshot: the first one's bytes stay what they were; a create without it gives the newest."""
    listed = List(gateway, origin, File(b"old"))
    first = listed.create()
    old = gateway.download(first)
    gateway.until(first)
    listed.heal()
    second = listed.create(refresh=True)
    assert len({first, second, listed.create(refresh=True)}) == 3
    assert gateway.download(first) == old
    assert b"other" in gateway.download(second)


@pytest.mark.parametrize("code", [404, 410])
@pytest.mark.parametrize("policy", ["skip", "fail"])
@pytest.mark.parametrize("sized", [False, True], ids=["probed", "sized"])
def test_an_archive_is_stale_when_an_entry_vanished_after_its_layout_froze(
    gateway: Gateway, origin: Origin, code: int, policy: str, sized: bool
) -> None:
    """Its place is promised and can never be filled: 409, and the next generation under the same policy."""
    large = File(Pattern(3 << 20))  # too large to come with its probe
    before = [] if sized else [large]
    listed = List(gateway, origin, *before, Status(code), **({"size": 3 << 20} if sized else {}))
    hash = listed.create(on_error=policy)
    assert gateway.client.head(f"/archive/get/{hash}.zip").status_code == 200
    resume(gateway, hash, 0)
    gateway.until(hash, "failed")
    assert is_stale(gateway, hash)
    again = listed.create(on_error=policy)
    assert again != hash
    if policy == "skip":
        assert names(gateway, again) == ["good.bin", "archive-report.json"]
    else:
        assert gateway.get(again).json()["code"] == "entry_failed"


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"on_error": "ignore"}, "/on_error"),
        ({"on_error": ["skip"]}, "/on_error"),
        ({"on_error": True}, "/on_error"),
        ({"refresh": "yes"}, "/refresh"),
        ({"refresh": 1}, "/refresh"),
    ],
)
def test_a_policy_that_is_none_is_refused(gateway: Gateway, options: dict[str, Any], pointer: str) -> None:
    """422 names the field."""
    response = gateway.client.post("/api/archive/create", json={"urls": ["https://example.com/a"], **options})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == pointer


def test_an_entry_is_left_out_when_its_host_is_no_name_that_a_standard_has(launch: Launch, origin: Origin) -> None:
    """Resolvers take more names than IDNA and RFC 1123: the list is accepted, and what cannot be found is left out."""
    gateway = launch("odd-names", max_attempts="1")
    origin.serve("/on-error/good", GOOD)
    odd = ["https://-a.invalid/x", "https://b-.invalid/x", "http://xn--ls8h.invalid/x", "http://xn--a.invalid/x"]
    hash = gateway.create(urls=[origin.url("/on-error/good"), *odd])["archive_hash"]
    with zipfile.ZipFile(io.BytesIO(gateway.download(hash))) as opened:
        assert opened.namelist() == ["good", "archive-report.json"]
        skipped = json.loads(opened.read("archive-report.json"))["skipped"]
    assert [(row["url"], row["code"]) for row in skipped] == [(url, "unreachable") for url in odd]
