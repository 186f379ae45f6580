"""Damage while the gateway is down: what is served afterwards is right, or it is an error; no CRC is made up."""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.damage import Damage, another_boot, flip, remove, truncate, zero
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.resuming import begin, is_stale, resume

PART = 8 << 20
MIB = 1 << 20
BODY = bytes(Pattern(3 * MIB)[:])
SEED = 20260602

FILES = {
    "small.png": File(BODY[:7000]),
    "strong.png": File(BODY[: MIB + 99]),
    "weak.png": File(BODY[: MIB + 33], etag=None),
    "ranges.png": File(BODY),
    "last.png": File(BODY[:300], etag=None, modified=None),
}


@dataclass
class Copies:
    """Archives of the same files on one gateway, each with its own copy to be damaged."""

    gateway: Gateway
    origin: Origin
    whole: bytes
    hashes: list[str]

    def path(self, hash: str, suffix: str) -> Path:
        """One of its files on disk."""
        return self.gateway.copy(hash).with_suffix(suffix)

    def add(self, count: int, *, finished: bool) -> list[str]:
        """So many archives, each complete, or with two holes."""
        hashes = []
        for _ in range(count):
            number = len(self.hashes)
            hash = self.gateway.create(**manifest(self.origin), filename=f"{number}.zip")["archive_hash"]
            if finished:
                assert self.gateway.download(hash) == self.whole
                self.gateway.until(hash)
            else:
                # However late its clients are seen to leave, no more of it can come.
                self.origin.serve("/damage/ranges.png", File(BODY, hold_at=len(BODY) - 100))
                begin(self.gateway, hash, 2 * MIB)
                assert resume(self.gateway, hash, 5 * MIB, 5 * MIB + 10)[0] == 206
                self.gateway.until(hash, lambda status: not status["active"])
                self.origin.serve("/damage/ranges.png", FILES["ranges.png"])
            self.hashes.append(hash)
            hashes.append(hash)
        return hashes

    def check(self, hash: str, what: str) -> None:
        """Asked in every way: right bytes, or an error."""
        length = len(self.whole)
        for start, stop in ((2 * MIB, None), (MIB // 2, MIB // 2 + 1000), (length - 400, None), (0, 100)):
            status, body = resume(self.gateway, hash, start, stop)
            assert status == 206 or status >= 400, (what, status)
            assert status != 206 or self.whole[start:stop].startswith(body), f"{what}: wrong bytes from {start} on"
        for _ in range(2):
            try:
                response = self.gateway.get(hash)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                continue
            assert response.status_code == 200 or response.status_code >= 400, (what, response.status_code)
            assert response.status_code != 200 or response.content == self.whole, f"{what}: a wrong archive"


def manifest(origin: Origin) -> dict[str, list[str]]:
    """The create of all files."""
    return {"urls": [origin.url(f"/damage/{name}") for name in FILES]}


@pytest.fixture
def copies(origin: Origin, tmp_path: Path) -> Iterator[Copies]:
    """A gateway of the test's own that pulls no further than its readers ask."""
    for name, file in FILES.items():
        origin.serve(f"/damage/{name}", file)
    with Gateway(tmp_path / "data", allow=[origin.authority], lookahead="1", max_attempts="2") as gateway:
        hash = gateway.create(**manifest(origin))["archive_hash"]
        yield Copies(gateway, origin, gateway.download(hash), [])


def damage_and_check(copies: Copies, kinds: Sequence[tuple[bool, str, Damage]], chance: random.Random) -> None:
    """One archive for each (finished, which file, what happens to it); all of it in one downtime."""
    hashes = [copies.add(1, finished=finished)[0] for finished, _, _ in kinds]
    copies.gateway.stop()
    done = [damage(copies.path(hash, suffix), chance) for hash, (_, suffix, damage) in zip(hashes, kinds, strict=True)]
    copies.gateway.start()
    for hash, what in zip(hashes, done, strict=True):
        copies.check(hash, what)


EVERY: list[tuple[bool, str, Damage]] = [
    *[(False, ".part", damage) for damage in (flip, flip, flip, zero, zero, truncate, remove)],
    *[(False, ".journal", damage) for damage in (flip, flip, flip, zero, truncate, truncate, remove)],
    *[(True, ".zip", damage) for damage in (flip, flip, flip, zero, zero, truncate, remove)],
    *[(True, ".journal", damage) for damage in (flip, flip, zero, truncate, remove)],
]


def test_damage_of_a_copy_is_never_served(copies: Copies) -> None:
    """Each of its files, unfinished and finished: flipped, a page zeroed, truncated, removed."""
    damage_and_check(copies, EVERY, random.Random(SEED))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_damage_of_a_copy_is_never_served_anywhere(copies: Copies, seed: int) -> None:
    """The same at three hundred other places."""
    damage_and_check(copies, EVERY, random.Random(seed))


def test_damage_of_two_files_at_once_is_never_served(copies: Copies) -> None:
    """The journal and the bytes it speaks of, both hit."""
    chance = random.Random(SEED + 1)
    pairs = [(flip, flip), (truncate, flip), (zero, truncate), (flip, zero)]
    hashes = {finished: copies.add(len(pairs), finished=finished) for finished in (False, True)}
    copies.gateway.stop()
    done = {}
    for finished, those in hashes.items():
        for hash, (first, second) in zip(those, pairs, strict=True):
            what = first(copies.path(hash, ".journal"), chance)
            done[hash] = what + ", " + second(copies.path(hash, ".zip" if finished else ".part"), chance)
    copies.gateway.start()
    for hash, what in done.items():
        copies.check(hash, what)


def damage_the_store(copies: Copies, damages: Sequence[Damage], chance: random.Random) -> None:
    """Each damage to the store as it was, and what is served of a finished and of an unfinished archive then."""
    hashes = [*copies.add(1, finished=True), *copies.add(1, finished=False)]
    gateway, store = copies.gateway, copies.gateway.data / "streamzip.db"
    gateway.stop()
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    good = store.read_bytes()
    for damage in damages:
        for beside in gateway.data.glob("streamzip.db-*"):
            beside.unlink()
        store.write_bytes(good)
        what = damage(store, chance)
        try:
            gateway.start()
        except (AssertionError, httpx.TransportError):
            assert gateway.ended() == 1  # it refused to start on it
            continue
        for hash in hashes:
            copies.check(hash, what)
        gateway.kill()
    for beside in gateway.data.glob("streamzip.db-*"):
        beside.unlink()
    store.write_bytes(good)
    gateway.start()
    for hash in hashes:
        copies.check(hash, "nothing")


@pytest.mark.alone
def test_damage_of_the_store_is_never_served(copies: Copies) -> None:
    """What the store says of an archive is signed; a store that cannot be read is not opened."""
    damage_the_store(copies, [flip, zero, flip, truncate], random.Random(SEED + 2))


@pytest.mark.slow
def test_damage_of_the_store_is_never_served_anywhere(copies: Copies) -> None:
    """The same at forty other places."""
    damage_the_store(copies, [flip] * 25 + [zero] * 10 + [truncate] * 5, random.Random(SEED + 3))


def test_power_loss_costs_no_right_byte_and_gives_no_wrong_one(copies: Copies) -> None:
    """Another boot, pages missing under listed extents, the journal's last records gone: files without a strong
    validator that were given out in part are refused, the others pulled again.
    """
    chance = random.Random(SEED + 4)
    whole_journal, cut_journal, lost_pages, renamed = (copies.add(2, finished=False) for _ in range(4))
    finished = copies.add(2, finished=True)
    copies.gateway.kill()
    for hash in (*whole_journal, *lost_pages, *renamed):
        another_boot(copies.path(hash, ".journal"))
    for hash in cut_journal:
        another_boot(copies.path(hash, ".journal"), lost=3)
    for hash in lost_pages:
        for _ in range(40):
            zero(copies.path(hash, ".part"), chance)
    for hash in finished:  # the file is durable before its name is, the seal only after it
        another_boot(copies.path(hash, ".journal"), lost=1)
        copies.path(hash, ".zip").rename(copies.path(hash, ".part"))
    for hash in renamed:
        copies.path(hash, ".part").rename(copies.path(hash, ".zip"))
    copies.gateway.start()
    for hash in (*whole_journal, *cut_journal, *lost_pages, *renamed):
        copies.check(hash, "power loss")
        assert is_stale(copies.gateway, hash), "a file without a strong validator was pulled on after a power loss"
    for hash in finished:
        copies.check(hash, "power loss, finished")
        assert copies.gateway.download(hash) == copies.whole


def test_power_loss_is_survived_where_every_file_has_a_strong_validator(origin: Origin, tmp_path: Path) -> None:
    """Nothing is refused then: what is lost is pulled again, and only that."""
    chance = random.Random(SEED + 5)
    for name in ("strong.png", "ranges.png"):
        origin.serve(f"/power/{name}", FILES[name])
    with Gateway(tmp_path / "data", allow=[origin.authority], lookahead="1") as gateway:
        urls = [origin.url("/power/ranges.png"), origin.url("/power/strong.png")]
        whole = gateway.download(gateway.create(urls=urls, filename="other.zip")["archive_hash"])
        hash = gateway.create(urls=urls)["archive_hash"]
        gateway.client.head(f"/archive/get/{hash}.zip")
        origin.serve("/power/strong.png", *[File(FILES["strong.png"].body, hold_at=MIB // 2)] * 9)
        have = begin(gateway, hash, 3 * MIB + 200)
        gateway.until(hash, lambda status: not status["active"])
        origin.release("/power/strong.png")
        etag = gateway.client.head(f"/archive/get/{hash}.zip").headers["etag"]
        gateway.kill()
        part = gateway.copy(hash).with_suffix(".part")
        another_boot(part.with_suffix(".journal"))
        zero(part, chance)
        before = origin.sent("/power/strong.png")
        gateway.start()
        assert have + resume(gateway, hash, len(have))[1] == whole
        response = gateway.get(hash)
        assert (response.content, response.headers["etag"]) == (whole, etag)
        assert origin.sent("/power/strong.png") - before <= MIB + 99


def test_damage_behind_a_hole_is_pulled_again_by_the_reader_who_meets_it(origin: Origin, tmp_path: Path) -> None:
    """A part that was there when a reader's lookahead passed over it, and is found damaged when the reader comes, is
    wanted by that reader: it does not wait for what lies ahead, here a file whose origin is silent.
    """
    body = bytes(Pattern(2 * PART)[:])
    origin.serve("/hole/file.png", File(body))
    origin.serve("/hole/silent.png", File(BODY), File(BODY, hold_at=0))
    urls = [origin.url("/hole/file.png"), origin.url("/hole/silent.png")]
    with Gateway(tmp_path / "data", allow=[origin.authority], lookahead="1") as gateway:
        hash = gateway.create(urls=urls)["archive_hash"]
        assert resume(gateway, hash, PART + 100, 2 * PART)[0] == 206
        gateway.until(hash, lambda status: not status["active"])
        assert PART <= gateway.status(hash)["progress"]["bytes"] < 2 * PART
        part = gateway.copy(hash).with_suffix(".part")
    with part.open("r+b") as file:
        file.seek(PART + MIB)
        byte = file.read(1)[0]
        file.seek(PART + MIB)
        file.write(bytes([byte ^ 1]))
    with Gateway(tmp_path / "data", allow=[origin.authority]) as gateway:
        start = 30 + len("file.png") + 9
        assert begin(gateway, hash, start + len(body))[start:] == body
        origin.release("/hole/silent.png")
        archive = gateway.download(hash)
        assert body in archive
        gateway.until(hash)
        assert gateway.download(hash) == archive
