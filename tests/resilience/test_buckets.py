"""Buckets at length: what the gateway connects to for them, and a prefix of many objects."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from tests.support import seaweedfs
from tests.support.bucket_enclosure import ENDPOINTS
from tests.support.gateway import Gateway
from tests.support.origin import Origin, Status

pytestmark = pytest.mark.slow

_PEER = re.compile(r'connect\(\d+, \{sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?"([0-9a-f:.]+)"')


def source(bucket: seaweedfs.Bucket) -> str:
    return f"{bucket.url()}?endpoint={seaweedfs.shared().endpoint}&region={seaweedfs.REGION}"


@pytest.mark.needs("strace", "seaweedfs")
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


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None,
    reason="a network namespace needs root, unshare and ip",
)
def test_no_packet_leaves_for_a_host_that_the_operator_did_not_name(tmp_path: Path) -> None:
    """In a network where every address answers: prefixes, broken pulls, credentials that end and redirects, of each of
    the three stores, reach their endpoints alone: not the machine's metadata service, no other host, no name server.
    """
    run = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.support.bucket_enclosure", str(tmp_path / "data")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    seen = json.loads(run.stdout)
    left_out = [200, "wrong_region", "wrong_region", "wrong_region"]
    assert seen["codes"] == dict.fromkeys(("s3://photos", "gs://maps", "az://films"), left_out)
    assert seen["reached"] == [f"{address} {seen['port']}" for address in ENDPOINTS.values()]


@pytest.mark.needs("seaweedfs")
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
