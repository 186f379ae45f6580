"""What uploaded files promise, wherever they lie: in a data folder, or in a bucket that gateways share."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import pytest

from streamzip.access.keyring import KeyRing
from streamzip.errors import Conflict, Damaged, NoRoom, NotFound, NotReady, TooLarge
from streamzip.objects.fake import FakeBucket
from streamzip.objects.port import Away, Bucket
from streamzip.objects.s3 import S3Bucket
from streamzip.spool.memory import Memory
from streamzip.store.repository import Repository
from streamzip.store.uploads import StoredUploads
from streamzip.store.vault import Vault
from streamzip.uploads.arriving import Incoming
from streamzip.uploads.files import UploadFolder
from streamzip.uploads.in_bucket import LAPSES_AFTER, UploadsInBucket
from streamzip.uploads.on_disk import UploadsOnDisk
from streamzip.uploads.port import Upload, Uploads
from tests.support import seaweedfs
from tests.unit.store.builders import an_archive, sealed

BODY = os.urandom((2 << 20) + 5)
HASH = "a" * 32


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Place:
    """Where files lie; `open` gives them as one more gateway process has them."""

    root: Path
    pool: ThreadPoolExecutor
    repository: Repository
    bucket: Bucket | None
    opened: int = 0
    keys: KeyRing = field(default_factory=lambda: KeyRing.parse("k1:" + "5e" * 32))

    def open(self, most: int = 1 << 30, quota: int = 1 << 30, files: int = 1000) -> Uploads:
        """Return the files, for another machine where that reaches the same."""
        self.opened += 1
        if self.bucket is None:
            return UploadsOnDisk(UploadFolder(self.root, most=most, quota=quota, files=files), self.pool)
        incoming = Incoming(self.root / str(self.opened), most=most, quota=quota, files=files)
        return UploadsInBucket(incoming, self.bucket, self.repository, Vault(self.keys), Memory(64 << 20))

    def left(self) -> list[Path]:
        """Return what is being received."""
        return list(self.root.glob("**/arriving/*"))

    async def keys_there(self) -> list[str]:
        """Return the keys of the bucket's objects."""
        assert self.bucket is not None
        return [each.key async for page in self.bucket.listed() for each in page]


@pytest.fixture(params=["disk", "fake", pytest.param("s3", marks=pytest.mark.needs("seaweedfs"))])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """An empty place of each kind."""
    bucket: Bucket | None = FakeBucket() if request.param == "fake" else None
    if request.param == "s3":
        server = seaweedfs.shared()
        bucket = S3Bucket(f"s3://{server.fresh_bucket().name}/copies", server.environment)
    repository = await Repository.open(tmp_path / "store.db")
    await repository.objects.store_id(now=1.0)
    with ThreadPoolExecutor(1) as pool:
        yield Place(tmp_path / "uploads", pool, repository, bucket)
    await repository.close()


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[Place, FakeBucket]]:
    """A place in a bucket that fails as it is told to."""
    bucket = FakeBucket()
    repository = await Repository.open(tmp_path / "store.db")
    with ThreadPoolExecutor(1) as pool:
        yield Place(tmp_path / "uploads", pool, repository, bucket), bucket
    await repository.close()


async def put(uploads: Uploads, name: str, body: bytes = b"body") -> Upload:
    async with await uploads.receive(name) as arriving:
        for start in range(0, len(body), 65536):
            await arriving.add(body[start : start + 65536])
        return await arriving.keep(now=1001.5)


async def read(uploads: Uploads, upload: Upload, start: int = 0, stop: int | None = None) -> bytes:
    runs = uploads.read(upload, start, upload.size if stop is None else stop)
    return b"".join([bytes(run) async for run in runs])


async def never(_: str) -> bool:
    return False


async def test_file_is_found_and_read_by_another_process(place: Place) -> None:
    """What came is what is read, whole and in ranges, with its digests; an empty file too."""
    kept, empty = await put(place.open(), "a.txt", BODY), await put(place.open(), "empty.txt", b"")
    assert kept == Upload("a.txt", len(BODY), hashlib.sha256(BODY).hexdigest(), crc32(BODY), 1000)
    other = place.open()
    assert await other.find("a.txt") == kept
    assert await other.listing() == [kept, empty]
    assert await other.named(["a.txt", "A.txt", "none.txt", "x" * 300]) == {"a.txt": kept}
    for start, stop in ((0, len(BODY)), (0, 1), (262_143, 262_145), (len(BODY) - 3, len(BODY)), (5, 5)):
        assert await read(other, kept, start, stop) == BODY[start:stop]
    assert await read(other, empty) == b""
    for name in ("A.txt", "none.txt", "x" * 300, "a\0.txt"):
        with pytest.raises(NotFound):
            await other.find(name)
    assert place.left() == []


async def test_file_is_gone_when_its_receipt_was_broken_off(place: Place) -> None:
    """Nothing of it stays, and its room is free again."""
    uploads = place.open(quota=len(BODY))
    with pytest.raises(ConnectionError):
        async with await uploads.receive("a.txt") as arriving:
            await arriving.add(BODY)
            raise ConnectionError
    assert (await uploads.listing(), place.left()) == ([], [])
    assert await put(uploads, "a.txt", BODY)


async def test_name_is_taken_once_when_several_come_at_a_time(place: Place) -> None:
    """Whoever is whole first has it, in whatever case it is written; the others are told so, and leave nothing."""
    one, other = place.open(), place.open()
    outcomes = await asyncio.gather(
        *(put(uploads, name) for uploads in (one, other) for name in ("a.txt", "A.TXT")), return_exceptions=True
    )
    [kept] = [outcome for outcome in outcomes if isinstance(outcome, Upload)]
    assert [outcome.code for outcome in outcomes if isinstance(outcome, Conflict)] == ["name_taken"] * 3
    assert await one.listing() == [kept]
    assert place.left() == []
    if place.bucket is not None:
        assert len(await place.keys_there()) == 1


async def test_limits_hold_for_all_processes(place: Place) -> None:
    """Of one file, of all together, and of their number: also where another process was faster."""
    one, other = place.open(most=90, quota=100, files=2), place.open(most=90, quota=100, files=2)
    with pytest.raises(TooLarge) as large:
        await put(one, "a.txt", b"x" * 91)
    async with await one.receive("a.txt") as arriving:
        await arriving.add(b"x" * 60)
        await put(other, "c.txt", b"x" * 41)
        with pytest.raises(NoRoom) as full:
            await arriving.keep(now=0)
    await put(one, "d.txt", b"x" * 59)
    with pytest.raises(NoRoom) as many:
        await put(other, "e.txt", b"")
    codes = [large.value.code, full.value.code, many.value.code]
    assert codes == ["file_too_large", "quota_exceeded", "quota_exceeded"]
    assert [upload.name for upload in await one.listing()] == ["c.txt", "d.txt"]
    assert place.left() == []


async def test_deleted_file_is_gone_and_its_name_is_free(place: Place) -> None:
    """A second deletion finds nothing; another file may have the name, and is not taken for the first one."""
    uploads, other = place.open(), place.open()
    kept = await put(uploads, "a.txt", BODY)
    assert await read(other, kept) == BODY
    await uploads.delete("a.txt", never)
    for gateway in (uploads, other):
        with pytest.raises(NotFound):
            await gateway.delete("a.txt", never)
        with pytest.raises(NotFound):
            await read(gateway, kept)
    another = await put(uploads, "a.txt", b"other")
    with pytest.raises(NotFound):
        await read(other, kept)
    assert await read(other, another) == b"other"
    if place.bucket is not None:
        assert len(await place.keys_there()) == 1


async def test_file_stays_while_an_archive_needs_it(place: Place) -> None:
    """From the moment that the archive is kept until it is done with the file, or gone."""
    uploads, other, needed = place.open(), place.open(), {HASH}
    kept = await put(uploads, "a.txt")

    async def is_needed(archive_hash: str) -> bool:
        return archive_hash in needed

    async with uploads.kept():
        noted = await uploads.need({"a.txt": kept.sha256}, HASH)
        assert await place.repository.create(an_archive(HASH), sealed(), uploads=noted)
    with pytest.raises(Conflict) as caught:
        await other.delete("a.txt", is_needed)
    assert caught.value.code == "upload_in_use"
    needed.clear()
    await other.delete("a.txt", is_needed)
    assert await uploads.listing() == []


async def test_archive_is_not_kept_when_its_file_went_meanwhile(shared: tuple[Place, FakeBucket]) -> None:
    """Between the two steps another gateway deleted it: no archive is left that needs what is not there."""
    place, _ = shared
    uploads = place.open()
    kept = await put(uploads, "a.txt")
    noted = await uploads.need({"a.txt": kept.sha256}, HASH)
    await place.open().delete("a.txt", never)
    with pytest.raises(NotFound):
        await place.repository.create(an_archive(HASH), sealed(), uploads=noted)
    assert await place.repository.get(HASH) is None
    with pytest.raises(NotFound):
        await uploads.need({"a.txt": kept.sha256}, HASH)


async def test_file_is_refused_when_the_bucket_fails(shared: tuple[Place, FakeBucket]) -> None:
    """503 `bucket_unavailable` before anything is acknowledged; nothing of it stays, and its name is free."""
    place, bucket = shared
    uploads = place.open()
    bucket.fails = Away("503 SlowDown")
    with pytest.raises(NotReady) as caught:
        await put(uploads, "a.txt")
    assert (caught.value.code, caught.value.retry_after) == ("bucket_unavailable", 5)
    bucket.fails = None
    assert (await uploads.listing(), place.left(), await place.keys_there()) == ([], [], [])
    assert await put(uploads, "a.txt")


@pytest.mark.parametrize(
    ("how", "expected"), [("gone", NotFound), ("altered", Damaged), ("cut", Damaged), ("away", NotReady)]
)
async def test_object_that_does_not_hold_is_no_file(
    shared: tuple[Place, FakeBucket], how: str, expected: type[Exception]
) -> None:
    """Gone, altered, cut or away: told before a wrong byte of it is given out."""
    place, bucket = shared
    uploads = place.open()
    kept = await put(uploads, "a.txt", BODY)
    [key] = bucket.objects
    if how == "gone":
        del bucket.objects[key]
    elif how == "away":
        bucket.fails = Away("500")
    else:
        bucket.objects[key] = BODY[:-1] if how == "cut" else BODY[:-1] + bytes([BODY[-1] ^ 1])
    with pytest.raises(expected):
        await read(uploads, kept, len(BODY) - 10)
    if how != "gone":
        assert await uploads.find("a.txt") == kept


async def test_record_that_was_altered_is_refused(shared: tuple[Place, FakeBucket]) -> None:
    """Under other keys than it was signed with."""
    place, _ = shared
    kept = await put(place.open(), "a.txt", BODY)
    place.keys = KeyRing.parse("k1:" + "5f" * 32)
    with pytest.raises(Damaged):
        await read(place.open(), kept)


async def test_attempt_that_never_ended_lapses(
    shared: tuple[Place, FakeBucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed process noted is known while it may go on, and a day later its object is nobody's."""
    place, bucket = shared
    uploads = place.open()

    async def killed(self: object, id: str) -> None:
        """Undo nothing."""

    async def ended(*_: object, **__: object) -> bool:
        raise Killed

    monkeypatch.setattr(UploadsInBucket, "_undo", killed)
    monkeypatch.setattr(StoredUploads, "keep", ended)
    with pytest.raises(Killed):
        await put(uploads, "a.txt")
    ids, objects = list(bucket.objects), place.repository.objects
    assert len(ids) == 1
    await uploads.forget(never)
    assert await objects.known(ids) == set(ids)
    monkeypatch.setattr("streamzip.uploads.in_bucket.LAPSES_AFTER", -LAPSES_AFTER)
    await uploads.forget(never)
    assert await objects.known(ids) == set()
