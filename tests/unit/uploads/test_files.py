"""Uploaded files on disk: whole and durable under one name, or not there."""

import asyncio
import errno
import hashlib
import os
from collections import Counter
from pathlib import Path
from zlib import crc32

import pytest

from streamzip.errors import Conflict, NoRoom, NotFound, TooLarge
from streamzip.manifest.uploads import key
from streamzip.uploads.files import UploadFolder
from streamzip.uploads.port import Upload

BODY = b"0123456789" * 300_000


def store(root: Path, most: int = 1 << 30, quota: int = 1 << 30, files: int = 1000) -> UploadFolder:
    return UploadFolder(root / "uploads", most=most, quota=quota, files=files)


async def put(uploads: UploadFolder, name: str, body: bytes = b"body") -> Upload:
    async with await uploads.receive(name) as arriving:
        for start in range(0, len(body), 65536):
            await arriving.add(body[start : start + 65536])
        return await arriving.keep(now=1001.5)


async def never(_: str) -> bool:
    return False


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.name != "lock")


async def test_file_is_there_with_its_digests_when_it_was_kept(tmp_path: Path) -> None:
    """What came is what is read, for another process too."""
    kept = await put(store(tmp_path), "a.txt", BODY)
    assert kept == Upload("a.txt", len(BODY), hashlib.sha256(BODY).hexdigest(), crc32(BODY), 1000)
    other = store(tmp_path)
    assert other.find("a.txt") == kept
    assert other.listing() == [kept]
    fd = other.open(kept)
    assert os.read(fd, 1 << 30) == BODY
    os.close(fd)


async def test_file_is_gone_when_its_receipt_was_broken_off(tmp_path: Path) -> None:
    """Nothing of it stays, and its room is free again."""
    uploads = store(tmp_path, quota=len(BODY))
    with pytest.raises(ConnectionError):
        async with await uploads.receive("a.txt") as arriving:
            await arriving.add(BODY)
            raise ConnectionError
    assert files(tmp_path) == []
    assert await put(uploads, "a.txt", BODY)


async def test_name_is_taken_once_when_several_come_at_a_time(tmp_path: Path) -> None:
    """Whoever is whole first has it, in whatever case it is written; the others are told so, and leave nothing."""
    one, other = store(tmp_path), store(tmp_path)
    outcomes = await asyncio.gather(
        *(put(uploads, name) for uploads in (one, other) for name in ("a.txt", "A.TXT", "a.txt")),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Upload) for outcome in outcomes) == 1
    assert {outcome.code for outcome in outcomes if isinstance(outcome, Conflict)} == {"name_taken"}
    assert len(files(tmp_path)) == 2
    with pytest.raises(NotFound):
        one.find("a.TXT")


async def test_file_is_refused_when_it_is_too_large(tmp_path: Path) -> None:
    """With the byte that is too many; one fewer is taken."""
    uploads = store(tmp_path, most=10)
    assert (await put(uploads, "a.txt", b"x" * 10)).size == 10
    with pytest.raises(TooLarge) as caught:
        await put(uploads, "b.txt", b"x" * 11)
    assert caught.value.code == "file_too_large"


async def test_file_is_refused_when_all_together_are_too_large(tmp_path: Path) -> None:
    """Files that are still coming count, and so do another process's that were faster."""
    one, other = store(tmp_path, quota=100), store(tmp_path, quota=100)
    async with await one.receive("a.txt") as arriving:
        await arriving.add(b"x" * 60)
        with pytest.raises(NoRoom):
            await put(one, "b.txt", b"x" * 41)
        await put(other, "c.txt", b"x" * 41)
        with pytest.raises(NoRoom) as caught:
            await arriving.keep(now=0)
    assert caught.value.code == "quota_exceeded"
    assert [upload.name for upload in one.listing()] == ["c.txt"]
    await put(one, "d.txt", b"x" * 59)


async def test_file_is_refused_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no failure of the gateway, and leaves no part behind."""

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoRoom) as caught:
        await put(store(tmp_path), "a.txt")
    assert caught.value.code == "storage_full"
    assert files(tmp_path) == []


async def test_sweep_removes_what_a_dead_process_left_and_nothing_else(tmp_path: Path) -> None:
    """What is still being received stays; a part whose receiver is gone does not."""
    uploads = store(tmp_path)
    await put(uploads, "a.txt")
    dead = tmp_path / "uploads" / "arriving" / "dead"
    dead.mkdir()
    (dead / "content").write_bytes(b"part")
    (tmp_path / "uploads" / "arriving" / "empty").mkdir()
    async with await uploads.receive("b.txt") as arriving:
        await arriving.add(b"x")
        await store(tmp_path).sweep()
        assert (await arriving.keep(now=5)).name == "b.txt"
    assert not list((tmp_path / "uploads" / "arriving").iterdir())
    assert [upload.name for upload in uploads.listing()] == ["a.txt", "b.txt"]


async def test_file_is_synced_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, facts and folder before the rename, both folders after it: no crash shows a part under the name."""
    done: list[str] = []
    real_sync, real_rename = os.fsync, Path.rename

    def sync(fd: int) -> None:
        done.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        real_sync(fd)

    def rename(self: Path, target: Path) -> Path:
        done.append("renamed")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "rename", rename)
    await put(store(tmp_path), "a.txt")
    at = done.index("renamed")
    assert done[:2] == ["content", "about.json"]
    assert len(done[:at]) == 3
    assert sorted(done[at + 1 :]) == ["arriving", "uploads"]


async def test_deleted_file_is_gone_and_its_name_is_free(tmp_path: Path) -> None:
    """A second deletion finds nothing; another file may have the name."""
    uploads = store(tmp_path)
    kept = await put(uploads, "a.txt")
    await uploads.delete("a.txt", never)
    assert files(tmp_path) == []
    with pytest.raises(NotFound):
        await uploads.delete("a.txt", never)
    with pytest.raises(NotFound):
        uploads.open(kept)
    await put(uploads, "a.txt", b"other")
    with pytest.raises(NotFound):
        uploads.open(kept)


async def test_file_stays_when_an_archive_needs_it(tmp_path: Path) -> None:
    """Until the archive is done with it; archives that are gone do not count."""
    uploads = store(tmp_path)
    await put(uploads, "a.txt")
    async with uploads.kept():
        uploads.need("a.txt", "gone")
        uploads.need("a.txt", "unfinished")
        uploads.need("a.txt", "unfinished")
    unfinished = {"unfinished"}

    async def is_needed(hash: str) -> bool:
        return hash in unfinished

    with pytest.raises(Conflict) as caught:
        await uploads.delete("a.txt", is_needed)
    assert caught.value.code == "upload_in_use"
    unfinished.clear()
    await uploads.delete("a.txt", is_needed)
    assert uploads.listing() == []


async def test_deletion_waits_while_files_are_kept(tmp_path: Path) -> None:
    """Between finding a file and noting that it is needed, nobody deletes it."""
    uploads, other = store(tmp_path), store(tmp_path)
    await put(uploads, "a.txt")
    async with uploads.kept(), other.kept():
        deleting = asyncio.create_task(other.delete("a.txt", never))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert uploads.find("a.txt")
    await deleting
    assert uploads.listing() == []


async def test_listing_goes_on_when_one_file_is_damaged(tmp_path: Path) -> None:
    """The others are there; the damaged one's name stays taken."""
    uploads = store(tmp_path)
    await put(uploads, "a.txt")
    await put(uploads, "b.txt")
    damaged = tmp_path / "uploads" / key("a.txt") / "about.json"
    damaged.write_bytes(b"{")
    assert [upload.name for upload in uploads.listing()] == ["b.txt"]
    with pytest.raises(Conflict):
        await put(uploads, "a.txt")


async def test_notes_of_archives_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    """Else they would pile up for as long as the file is kept; those of an archive that is being made stay."""
    uploads = store(tmp_path)
    for name in ("a.txt", "b.txt"):
        await put(uploads, name)
        async with uploads.kept():
            for hash in ("gone", "there", "coming"):
                uploads.need(name, hash)
    asked = Counter[str]()

    async def is_known(hash: str) -> bool:
        asked[hash] += 1
        return hash == "there" or (hash == "coming" and asked[hash] > 1)  # put down after it was looked for

    await uploads.forget(is_known)
    assert [name.rpartition("/")[2] for name in files(tmp_path) if "/needed/" in name] == ["coming", "there"] * 2
    assert asked["gone"] == 2
