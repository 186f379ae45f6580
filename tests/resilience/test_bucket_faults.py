"""A bucket that fails in each way, over a wire that spoils its answers (proof 6): downloads go on, and no copy is noted
that cannot be read.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import seaweedfs
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.s3_wire import Fault, S3Wire, nothing
from tests.support.seaweedfs import Bucket

pytestmark = [pytest.mark.slow, pytest.mark.needs("seaweedfs"), pytest.mark.alone, pytest.mark.timeout(600)]

MIB = 1 << 20
SIZE = 6 * MIB
ANSWERED_WITHIN = 30.0  # seconds: two reads are given up, then the origins are asked


def reads(fault: Fault) -> Callable[[str, str], Fault | None]:
    """Spoil the reads of copies."""
    return lambda method, path: fault if method == "GET" and "/copies/" in path else None


def writes(fault: Fault) -> Callable[[str, str], Fault | None]:
    """Spoil all that puts copies there."""
    return lambda method, path: fault if method in ("PUT", "POST") else None


@pytest.fixture
def bucket() -> Bucket:
    return seaweedfs.shared().fresh_bucket()


@pytest.fixture
def wire() -> Iterator[S3Wire]:
    with S3Wire(seaweedfs.shared()) as wire:
        yield wire


@pytest.fixture
def gateway(tmp_path: Path, origin: Origin, wire: S3Wire, bucket: Bucket) -> Iterator[Gateway]:
    url = bucket.url("copies")
    with Gateway(tmp_path / "data", allow=[origin.authority], under=wire.under, shared_url=url) as gateway:
        yield gateway


def completed(gateway: Gateway, origin: Origin, path: str) -> str:
    origin.serve(path, File(Pattern(SIZE)))
    created = gateway.create(entries=[{"url": origin.url(path)}], compression="store", prefetch=True)
    return str(gateway.until(created["archive_hash"], seconds=60)["archive_hash"])


def offloaded(gateway: Gateway, archive_hash: str, *, after: int = 0, seconds: float = 60.0) -> None:
    gateway.until_logged(
        lambda line: line["event"] == "copy_offloaded" and line["archive"] == archive_hash, after=after, seconds=seconds
    )


def evict(gateway: Gateway, archive_hash: str) -> None:
    for path in gateway.copy(archive_hash).parent.glob(f"{archive_hash}.*"):
        if path.suffix != ".lock":
            path.unlink()


def noted(gateway: Gateway) -> list[tuple[str, str]]:
    """The archives whose copy is said to be in the bucket, each with its object's key."""
    with closing(sqlite3.connect(f"file:{gateway.data}/streamzip.db?mode=ro", uri=True)) as store:
        return store.execute("SELECT hash, key FROM objects WHERE shared_at IS NOT NULL").fetchall()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(503, "SlowDown"),
        Fault(pace=1.0),
        Fault(cut=MIB // 2),
    ],
    ids=["500", "SlowDown", "1 B-s", "cut"],
)
def test_proof_6_download_goes_on_when_reads_of_the_bucket_fail(
    gateway: Gateway, origin: Origin, wire: S3Wire, fault: Fault
) -> None:
    """500, SlowDown, a byte a second, a connection cut in the body: the bytes come from the origin, the same ones, and
    within 30 seconds.
    """
    archive_hash = completed(gateway, origin, "/faults/read")
    offloaded(gateway, archive_hash)
    content = gateway.copy(archive_hash).read_bytes()
    evict(gateway, archive_hash)
    wire.faults = reads(fault)
    began = time.monotonic()
    assert gateway.download(archive_hash) == content
    took = time.monotonic() - began
    print(f"{fault}: downloaded after {took:.1f} s")
    assert took < ANSWERED_WITHIN
    assert any(method == "GET" and archive_hash in path for method, path in wire.asked)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(503, "SlowDown"),
        Fault(507, "XMinioStorageFull"),
        Fault(cut=0),
    ],
    ids=["500", "SlowDown", "full", "cut"],
)
def test_proof_6_nothing_is_noted_that_cannot_be_read(
    gateway: Gateway, origin: Origin, wire: S3Wire, bucket: Bucket, fault: Fault
) -> None:
    """Puts fail with 500, SlowDown, a full disk, a cut answer: the copy is not noted, and downloads go on. Once the
    bucket is well the copy is put there: the object has the copy's bytes, all of them.
    """
    wire.faults = writes(fault)
    archive_hash = completed(gateway, origin, "/faults/write")
    gateway.logged("offload_failed", seconds=240)
    assert noted(gateway) == []
    content = gateway.download(archive_hash)
    before = len(gateway.log)
    wire.faults = nothing
    offloaded(gateway, archive_hash, after=before, seconds=240)
    [(found, key)] = noted(gateway)
    assert found == archive_hash
    assert bucket.get(f"copies/{key}") == content


def test_proof_6_object_that_was_deleted_is_made_anew(gateway: Gateway, origin: Origin, bucket: Bucket) -> None:
    """By somebody else, in the bucket: its readers get the same bytes from the origin, and it is there again."""
    archive_hash = completed(gateway, origin, "/faults/deleted")
    offloaded(gateway, archive_hash)
    content = gateway.copy(archive_hash).read_bytes()
    [(_, key)] = noted(gateway)
    bucket.delete(f"copies/{key}")
    evict(gateway, archive_hash)
    before = len(gateway.log)
    assert gateway.download(archive_hash) == content
    offloaded(gateway, archive_hash, after=before)
    [(_, anew)] = noted(gateway)
    assert anew != key
    assert bucket.get(f"copies/{anew}") == content
