"""An origin's file that changes between a download and its resume: one version in every byte under a hash, or 409."""

import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.resuming import begin, evict, is_stale, reading, resume

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
each = pytest.mark.parametrize("kind", EVERY)


@dataclass
class Case:
    """An archive of one file that changes, with a small one before and a large one after it."""

    gateway: Gateway
    origin: Origin
    path: str
    versions: Versions
    old: bytes = b""
    have: bytes = b""
    hash: str = ""

    def body(self) -> dict[str, object]:
        """The create's."""
        return {"urls": [self.origin.url(path) for path in ("/changes/first.png", self.path, "/changes/last.png")]}

    def create(self) -> None:
        """The old version's archive whole, under another file name and hash; then the one that it is about, planned."""
        self.origin.serve("/changes/first.png", File(OLD[:7000]))
        self.origin.serve("/changes/last.png", File(OLD[: 2 * MIB]))
        self.origin.serve(self.path, *[self.versions.old] * 9)
        other = self.gateway.create(**self.body(), filename="other.zip")["archive_hash"]
        self.old = self.gateway.download(other)
        self.hash = self.gateway.create(**self.body())["archive_hash"]
        assert self.gateway.client.head(f"/archive/get/{self.hash}.zip").status_code == 200

    def hold(self) -> None:
        """From now on the origin falls silent in the middle of the file."""
        self.origin.serve(self.path, *[replace(self.versions.old, hold_at=2 * MIB)] * 9)

    def begin(self, count: int) -> None:
        """Have a client take so many bytes and leave; all that it had is listed."""
        self.hold()
        self.have = begin(self.gateway, self.hash, count)
        self.gateway.until(self.hash, lambda status: not status["active"])

    def change(self) -> None:
        """From now on the origin has the new version alone."""
        self.origin.serve(self.path, *[self.versions.new] * 9)
        self.origin.release(self.path)

    def resume(self) -> None:
        """Go on from what the client has, as often as it takes; every byte is the old version's, or there is none."""
        have = self.have
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


Cases = dict[str, Case]


def cases(name: str, origin: Origin, factory: pytest.TempPathFactory) -> Iterator[Cases]:
    """One archive of each kind on one gateway: what is done to the gateway is done once for all of them."""
    with Gateway(factory.mktemp(name) / "data", allow=[origin.authority], max_attempts="1") as gateway:
        made = {
            kind: Case(gateway, origin, f"/changes/{name}/{number}/file.png", versions)
            for number, (kind, versions) in enumerate(EVERY.items())
        }
        for case in made.values():
            case.create()
        yield made


@pytest.fixture(scope="module")
def left(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    """A client left in the middle of the file; then the file changed."""
    for made in cases("left", origin, tmp_path_factory):
        for case in made.values():
            case.begin(MIB)
            case.change()
        yield made


@pytest.fixture(scope="module")
def killed(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    """`kill -9` in the middle of the file's pull, its client still there: one that leaves first has what landed listed
    in good order, and nothing is shown.
    """
    for made in cases("killed", origin, tmp_path_factory):
        with ExitStack() as clients:
            for case in made.values():
                case.hold()
                case.have = clients.enter_context(reading(case.gateway, case.hash, MIB + MIB // 2))
            gateway = case.gateway
            gateway.kill()
        for case in made.values():
            case.change()
        gateway.start()
        yield made


@pytest.fixture(scope="module")
def evicted(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    """Complete once, then the copy went, and the file changed."""
    for made in cases("evicted", origin, tmp_path_factory):
        for case in made.values():
            assert case.gateway.download(case.hash) == case.old
            case.gateway.until(case.hash)
            case.have = case.old[:MIB]
        evict(case.gateway, *[case.hash for case in made.values()])
        for case in made.values():
            case.change()
        yield made


@pytest.fixture(scope="module")
def evicted_unfinished(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    """Given out in part, never complete; then the copy went, and the file changed."""
    for made in cases("unfinished", origin, tmp_path_factory):
        for case in made.values():
            case.begin(MIB)
        evict(case.gateway, *[case.hash for case in made.values()])
        for case in made.values():
            case.change()
        yield made


@pytest.fixture(scope="module")
def damaged(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cases]:
    """Given out in part; while the gateway was down a byte of that was flipped, and the file changed."""
    for made in cases("damaged", origin, tmp_path_factory):
        for case in made.values():
            case.begin(MIB)
        gateway = case.gateway
        gateway.stop()
        for case in made.values():
            with gateway.copy(case.hash).with_suffix(".part").open("r+b") as file:
                file.seek(MIB // 2)
                byte = file.read(1)[0]
                file.seek(MIB // 2)
                file.write(bytes([byte ^ 1]))
            case.change()
        gateway.start()
        yield made


@each
def test_resume_is_never_spliced_when_the_client_left_in_the_middle_of_the_file(kind: str, left: Cases) -> None:
    """Cut while its origin held, changed, resumed."""
    left[kind].resume()
    left[kind].check_stale_and_again()


@each
def test_resume_is_never_spliced_when_the_gateway_was_killed_meanwhile(kind: str, killed: Cases) -> None:
    """What was given out of a pull that `kill -9` ended is what later lives give out, or nothing."""
    killed[kind].resume()
    killed[kind].check_stale_and_again()


@each
def test_resume_is_never_spliced_when_the_finished_copy_was_evicted(kind: str, evicted: Cases) -> None:
    """A rebuild gives the same bytes or none: no range of the file is answered with the new version's."""
    case = evicted[kind]
    wanted = case.old[2 * MIB : 2 * MIB + 100]
    status, body = resume(case.gateway, case.hash, 2 * MIB, 2 * MIB + 100)
    assert status in (206, 409), body[:300]
    assert wanted.startswith(body if status == 206 else b"")
    case.resume()
    case.check_stale_and_again()


@each
def test_resume_is_never_spliced_when_the_unfinished_copy_was_evicted(kind: str, evicted_unfinished: Cases) -> None:
    """Bytes were given out, and what could prove them is gone: only a strong validator can continue them."""
    evicted_unfinished[kind].resume()
    evicted_unfinished[kind].check_stale_and_again()


@each
def test_resume_is_never_spliced_when_the_copy_was_damaged_meanwhile(kind: str, damaged: Cases) -> None:
    """A byte of the unfinished copy flipped while the gateway was down, and the file changed at its origin."""
    damaged[kind].resume()
    damaged[kind].check_stale_and_again()


@pytest.mark.parametrize("kind", ["strong", "no validator"])
def test_finished_copy_stays_what_it_is_when_the_origin_changes(kind: str, gateway: Gateway, origin: Origin) -> None:
    """A completed copy is not checked against its origins: the same bytes, whole and in ranges."""
    case = Case(gateway, origin, f"/changes/finished/{kind[:2]}/file.png", EVERY[kind])
    case.create()
    assert gateway.download(case.hash) == case.old
    gateway.until(case.hash)
    case.change()
    case.have = case.old[:MIB]
    case.resume()
    assert gateway.download(case.hash) == case.old


@pytest.mark.parametrize("first", ["a", "b"])
def test_mirrors_whose_etags_differ_give_one_version_or_none(first: str, gateway: Gateway, origin: Origin) -> None:
    """A name with two servers that do not agree on a file's ETag, nor on its bytes: whichever answers, never both."""
    path = f"/mirrors/{first}/file.png"
    mirrors = [File(OLD, etag='"a"'), File(NEW, etag='"b"', modified=LATER)]
    if first == "b":
        mirrors.reverse()
    origin.serve(path, *mirrors * 20)
    hash = gateway.create(urls=[origin.url(path)])["archive_hash"]
    have = b""
    for _ in range(8):
        status, more = resume(gateway, hash, len(have), len(have) + MIB)
        assert status in (206, 409, 416, 502), more[:300]
        if status != 206:
            break
        have += more
    start = 30 + int.from_bytes(have[26:28], "little") + int.from_bytes(have[28:30], "little")
    versions = [mirrors[0].body[:], mirrors[1].body[:]]
    assert any(body.startswith(have[start : start + SIZE]) for body in versions), "bytes of both mirrors"


@pytest.mark.parametrize("kind", ["strong", "longer", "If-Range ignored"])
def test_resume_is_never_spliced_when_no_copy_is_kept(
    kind: str, origin: Origin, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each answer is a pass of its own: the validator of the plan is that of all of them."""
    data = tmp_path_factory.mktemp("none") / "data"
    with Gateway(data, allow=[origin.authority], max_attempts="1", cache_max_bytes="0") as gateway:
        case = Case(gateway, origin, f"/changes/none/{kind[:2]}/file.png", EVERY[kind])
        case.create()
        case.begin(MIB)
        case.change()
        case.resume()
        case.check_stale_and_again()


def test_file_whose_given_crc_is_wrong_is_not_pulled_anew_after_it_was_given_out(
    gateway: Gateway, origin: Origin
) -> None:
    """Without a validator the next pull could be of another version, with the right CRC: the client has bytes of this
    one.
    """
    path = "/given/file.png"
    origin.serve(path, File(OLD, etag=None, modified=None))
    entry = {"url": origin.url(path), "crc32": f"{zlib.crc32(NEW):08x}"}
    hash = gateway.create(entries=[entry])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    origin.serve(path, *[File(OLD, etag=None, modified=None, hold_at=2 * MIB)] * 9)
    with reading(gateway, hash, MIB) as have:
        origin.release(path)  # the rest of it comes, and its CRC is not the given one
        gateway.until(hash, "failed")
    origin.serve(path, *[File(NEW, etag=None, modified=None)] * 9)
    status, more = resume(gateway, hash, len(have))
    assert (status, NEW[-100:] in more) == (409, False)
    assert is_stale(gateway, hash)
