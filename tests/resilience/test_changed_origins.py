"""An origin's file that changes between a download and its resume: one version in every byte under a hash, or 409."""

from dataclasses import dataclass, replace

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.resuming import begin, evict, is_stale, resume

MIB = 1 << 20
SIZE = 3 * MIB
OLD = bytes(Pattern(SIZE)[:])
NEW = OLD[::-1]
LATER = "Tue, 02 Jun 2026 10:00:00 GMT"


@dataclass(frozen=True)
class Versions:
    """A file as it was and as it is now."""

    old: File
    new: File

    @property
    def strong(self) -> bool:
        """Whether an If-Range can tell them apart."""
        return self.old.etag is not None and not self.old.etag.startswith("W/")


STRONG = Versions(File(OLD), File(NEW, etag='"v2"', modified=LATER))
WEAK_ETAG = Versions(File(OLD, etag='W/"v1"', modified=None), File(NEW, etag='W/"v2"', modified=None))
SAME_WEAK_ETAG = Versions(File(OLD, etag='W/"v1"', modified=None), File(NEW, etag='W/"v1"', modified=None))
DATED = Versions(File(OLD, etag=None), File(NEW, etag=None, modified=LATER))
SAME_DATE = Versions(File(OLD, etag=None), File(NEW, etag=None))
NOTHING = Versions(File(OLD, etag=None, modified=None), File(NEW, etag=None, modified=None))
NO_RANGES = Versions(File(OLD, etag=None, ranges=False), File(NEW, etag=None, ranges=False))
LONGER = Versions(File(OLD), File(OLD + b"more", etag='"v2"', modified=LATER))
SHORTER = Versions(File(OLD, etag=None), File(OLD[:-4], etag=None, modified=LATER))
SHIFTED = Versions(File(OLD, etag=None, modified=None), File(b"more" + OLD, etag=None, modified=None))
LIES = Versions(File(OLD), File(NEW, etag='"v2"', if_range=False))

EVERY = {
    "strong": STRONG,
    "weak etag": WEAK_ETAG,
    "same weak etag": SAME_WEAK_ETAG,
    "date": DATED,
    "same date": SAME_DATE,
    "no validator": NOTHING,
    "no ranges": NO_RANGES,
    "longer": LONGER,
    "shorter": SHORTER,
    "shifted, no validator": SHIFTED,
    "If-Range ignored": LIES,
}
each = pytest.mark.parametrize("versions", EVERY.values(), ids=EVERY)


@dataclass
class Case:
    """An archive of one file that changes, with a small one before and a large one after it."""

    gateway: Gateway
    origin: Origin
    path: str
    versions: Versions
    hash: str = ""
    old: bytes = b""

    def body(self) -> dict[str, object]:
        """The create's."""
        return {"urls": [self.origin.url(path) for path in ("/changes/first.png", self.path, "/changes/last.png")]}

    def create(self) -> None:
        """Note the archive's bytes as they are with the old version, then begin with another archive of the same."""
        self.origin.serve(self.path, *[self.versions.old] * 9)
        other = self.gateway.create(**self.body(), filename="other.zip")["archive_hash"]
        self.old = self.gateway.download(other)
        self.hash = self.gateway.create(**self.body())["archive_hash"]
        assert self.gateway.client.head(f"/archive/get/{self.hash}.zip").status_code == 200

    def hold(self, at: int) -> None:
        """From now on the old version stops there."""
        self.origin.serve(self.path, *[replace(self.versions.old, hold_at=at)] * 9)

    def change(self) -> None:
        """From now on the origin has the new version alone."""
        self.origin.serve(self.path, *[self.versions.new] * 9)
        self.origin.release(self.path)

    def resume(self, have: bytes) -> None:
        """Go on from what the client has, as often as it takes; every byte is the old version's, or there is none."""
        for _ in range(6):
            status, more = resume(self.gateway, self.hash, len(have))
            assert status in (206, 409, 416), more[:300]
            if status != 206:
                break
            have += more
            assert self.old.startswith(have), "bytes of two versions under one hash"
            if have == self.old:
                break

    def check_stale_and_again(self) -> None:
        """The hash is dead; a new create gives another one, with the file as it is now."""
        assert is_stale(self.gateway, self.hash)
        assert self.gateway.status(self.hash)["code"] == "origin_changed"
        again = self.gateway.create(**self.body())["archive_hash"]
        assert again != self.hash
        assert self.versions.new.body[:] in self.gateway.download(again)
        assert is_stale(self.gateway, self.hash)


@pytest.fixture
def case(versions: Versions, launch: Launch, origin: Origin, request: pytest.FixtureRequest) -> Case:
    """The archive, created and probed on a gateway of its own."""
    origin.serve("/changes/first.png", File(OLD[:7000]))
    origin.serve("/changes/last.png", File(OLD[: 2 * MIB]))
    path = f"/changes/{abs(hash(request.node.nodeid))}/file.png"
    case = Case(launch(max_attempts="1"), origin, path, versions)
    case.create()
    return case


@each
def test_resume_is_never_spliced_when_the_client_left_in_the_middle_of_the_file(case: Case) -> None:
    """Cut while its origin held, changed, resumed."""
    case.hold(2 * MIB)
    have = begin(case.gateway, case.hash, MIB)
    case.gateway.until(case.hash, lambda status: not status["active"])
    case.change()
    case.resume(have)
    case.check_stale_and_again()


@each
def test_resume_is_never_spliced_when_the_gateway_was_killed_meanwhile(case: Case) -> None:
    """What was given out of a pull that `kill -9` ended is what later lives give out, or nothing."""
    case.hold(2 * MIB)
    have = begin(case.gateway, case.hash, MIB + MIB // 2)
    case.gateway.kill()
    case.change()
    case.gateway.start()
    case.resume(have)
    case.check_stale_and_again()


@each
def test_resume_is_never_spliced_when_the_finished_copy_was_evicted(case: Case) -> None:
    """A rebuild gives the same bytes or none: no range of the file is answered with the new version's."""
    assert case.gateway.download(case.hash) == case.old
    case.gateway.until(case.hash)
    evict(case.gateway, case.hash)
    case.change()
    status, body = resume(case.gateway, case.hash, 2 * MIB, 2 * MIB + 100)
    assert status in (206, 409), body[:300]
    assert case.old[2 * MIB : 2 * MIB + 100].startswith(body if status == 206 else b"")
    case.resume(case.old[:MIB])
    case.check_stale_and_again()


@each
def test_resume_is_never_spliced_when_the_unfinished_copy_was_evicted(case: Case) -> None:
    """Bytes were given out, and what could prove them is gone: only a strong validator can continue them."""
    case.hold(2 * MIB)
    have = begin(case.gateway, case.hash, MIB)
    case.gateway.until(case.hash, lambda status: not status["active"])
    evict(case.gateway, case.hash)
    case.change()
    case.resume(have)
    case.check_stale_and_again()


@each
def test_resume_is_never_spliced_when_the_copy_was_damaged_meanwhile(case: Case) -> None:
    """A byte of the unfinished copy flipped while the gateway was down, and the file changed at its origin."""
    case.hold(2 * MIB)
    have = begin(case.gateway, case.hash, MIB)
    case.gateway.until(case.hash, lambda status: not status["active"])
    case.gateway.stop()
    part = case.gateway.copy(case.hash).with_suffix(".part")
    with part.open("r+b") as file:
        file.seek(MIB // 2)
        byte = file.read(1)[0]
        file.seek(MIB // 2)
        file.write(bytes([byte ^ 1]))
    case.change()
    case.gateway.start()
    case.resume(have)
    case.check_stale_and_again()


@each
def test_finished_copy_stays_what_it_is_when_the_origin_changes(case: Case) -> None:
    """A completed copy is not checked against its origins: the same bytes, whole and in ranges."""
    assert case.gateway.download(case.hash) == case.old
    case.gateway.until(case.hash)
    case.change()
    case.resume(case.old[:MIB])
    assert case.gateway.download(case.hash) == case.old
