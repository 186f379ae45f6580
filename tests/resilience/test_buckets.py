"""Buckets at length: what the gateway connects to for them, and a prefix of many objects."""

import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from tests.support import seaweedfs
from tests.support.gateway import Gateway
from tests.support.origin import Origin, Status

pytestmark = [pytest.mark.slow, pytest.mark.needs("seaweedfs")]

_PEER = re.compile(r'connect\(\d+, \{sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?"([0-9a-f:.]+)"')


def source(bucket: seaweedfs.Bucket) -> str:
    return f"{bucket.url()}?endpoint={seaweedfs.shared().endpoint}&region={seaweedfs.REGION}"


@pytest.mark.needs("strace")
def test_only_the_buckets_endpoint_is_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """strace sees every connection of the gateway's processes: none goes to the machine's metadata service, to Amazon,
    or to where a redirect of the bucket's leads.
    """
    for name, value in seaweedfs.shared().environment.items():
        monkeypatch.setenv(name, value)
    bucket = seaweedfs.shared().fresh_bucket()
    for number in range(3):
        bucket.put(f"a/{number}", b"x" * 9_000_000)
    trace = tmp_path / "trace"
    strace = ["strace", "-D", "-f", "-e", "trace=connect", "-o", str(trace)]
    with Origin() as scripted, Origin() as elsewhere:
        scripted.serve("/moved/x", Status(307, (("Location", elsewhere.url("/x")),)))
        sources = f"{source(bucket)},s3://moved?endpoint={scripted.url('')}&region=eu-central-1"
        with Gateway(tmp_path / "data", under=strace, object_sources=sources) as gateway:
            archive = gateway.create(urls=[bucket.url("a/"), "s3://moved/x"])["archive_hash"]
            assert gateway.get(archive).status_code == 200
            assert [each["code"] for each in gateway.left_out(archive)] == ["wrong_region"]
        endpoints = {seaweedfs.shared().authority, scripted.authority}
    peers = {f"{address}:{port}" for port, address in _PEER.findall(trace.read_text())}
    assert peers == endpoints


def test_prefix_of_ten_thousand_objects_is_one_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are listed in ten pages, and none is asked for before its bytes are wanted."""
    for name, value in seaweedfs.shared().environment.items():
        monkeypatch.setenv(name, value)
    bucket = seaweedfs.shared().fresh_bucket()
    names = [f"{number // 100:03}/{number:05}.txt" for number in range(10_000)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: bucket.put(f"all/{name}", name.encode()), names))
    with Gateway(tmp_path / "data", object_sources=source(bucket)) as gateway:
        created = gateway.create(urls=[bucket.url("all/")], compression="store")
        assert created["entries"] == 10_000
        whole = gateway.get(created["archive_hash"])
        assert whole.headers["content-length"] == str(len(whole.content))
    with zipfile.ZipFile(BytesIO(whole.content)) as archive:
        assert archive.namelist() == names
        assert all(archive.read(name) == name.encode() for name in names)
