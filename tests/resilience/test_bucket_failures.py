"""The bucket, or who puts a copy into it, killed in the middle: right bytes, and in the end one object that holds."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import seaweedfs
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern

pytestmark = [pytest.mark.slow, pytest.mark.needs("seaweedfs"), pytest.mark.alone]

MIB = 1 << 20
SIZE = 64 * MIB


def a_gateway(data: Path, origin: Origin, server: seaweedfs.SeaweedFS, url: str) -> Gateway:
    under = ["env", *(f"{name}={value}" for name, value in server.environment.items())]
    return Gateway(data, allow=[origin.authority], under=under, shared_url=url)


def created(gateway: Gateway, origin: Origin, name: str, size: int = SIZE) -> str:
    origin.serve(f"/bucket/{name}", File(Pattern(size)))
    body = gateway.create(entries=[{"url": origin.url(f"/bucket/{name}")}], compression="store", prefetch=True)
    return str(body["archive_hash"])


def evict(gateway: Gateway, archive_hash: str) -> None:
    for path in gateway.copy(archive_hash).parent.glob(f"{archive_hash}.*"):
        if path.suffix != ".lock":
            path.unlink()


@pytest.mark.timeout(300)
def test_bucket_that_dies_ends_no_download_and_loses_no_copy(tmp_path: Path, origin: Origin) -> None:
    """Killed in the middle of a download: the rest comes from the origins. Killed in the middle of an upload: that is
    made again once it is back.
    """
    with seaweedfs.running() as server:
        bucket = server.fresh_bucket()
        with a_gateway(tmp_path / "data", origin, server, bucket.url("copies")) as gateway:
            archive_hash = created(gateway, origin, "read")
            gateway.logged("copy_offloaded", seconds=60)
            content = gateway.download(archive_hash)
            evict(gateway, archive_hash)
            asked = len(origin.requests("/bucket/read"))
            with gateway.client.stream("GET", f"/archive/get/{archive_hash}.zip") as response:
                runs = response.iter_bytes(MIB)
                got = next(runs)
                assert len(origin.requests("/bucket/read")) == asked
                server.kill()
                got += b"".join(runs)
            assert got == content
            assert gateway.logged("object_lost")["archive"] == archive_hash

            before = len(gateway.log)
            server.start()
            other = created(gateway, origin, "written")
            gateway.until(other)
            server.kill()
            gateway.until_logged(lambda line: line["event"] == "offload_failed", after=before, seconds=60)
            server.start()
            gateway.until_logged(
                lambda line: line["event"] == "copy_offloaded" and line["archive"] == other, after=before, seconds=90
            )
            right = gateway.download(other)
            evict(gateway, other)
            assert gateway.download(other) == right


@pytest.mark.timeout(300)
def test_gateway_killed_while_it_offloads_does_it_again(tmp_path: Path, origin: Origin) -> None:
    """kill -9 at eight moments from the completion on: after each, an object is noted, and gives the right bytes."""
    server = seaweedfs.shared()
    bucket = server.fresh_bucket()
    gateway = a_gateway(tmp_path / "data", origin, server, bucket.url("copies"))
    with gateway:
        for number in range(8):
            archive_hash = created(gateway, origin, f"killed{number}", 24 * MIB)
            gateway.until(archive_hash, seconds=60)
            copied = gateway.copy(archive_hash).read_bytes()
            for _ in range(number):  # each a moment later than the one before
                gateway.status(archive_hash)
            gateway.kill()
            gateway.start()
            gateway.until(archive_hash, lambda status: shared(gateway, status["archive_hash"]), seconds=60)
            evict(gateway, archive_hash)
            asked = len(origin.requests(f"/bucket/killed{number}"))
            assert gateway.download(archive_hash) == copied
            assert len(origin.requests(f"/bucket/killed{number}")) == asked


def shared(gateway: Gateway, archive_hash: str) -> bool:
    """Whether its object is noted in the store."""
    with closing(sqlite3.connect(f"file:{gateway.data}/streamzip.db?mode=ro", uri=True)) as store:
        query = "SELECT count(*) FROM objects WHERE hash = ? AND shared_at IS NOT NULL"
        [(count,)] = store.execute(query, (archive_hash,))
    return bool(count)
