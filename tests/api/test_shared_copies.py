"""Finished copies in a bucket: put there once, read from there by whoever lacks them, and never wrong."""

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import postgresql, seaweedfs
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin
from tests.support.seaweedfs import Bucket

pytestmark = pytest.mark.needs("seaweedfs")

BODY = os.urandom(1 << 20) * 2 + b"end"
CLUSTER = {
    "secret_keys": f"k1:{'5e' * 32}",
    "public_url": "https://zip.example",
    "webhook_secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
}


def sharing(bucket: Bucket, **variables: str) -> list[str]:
    """What a gateway is run under, so that it has the bucket's credentials."""
    named = {**seaweedfs.shared().environment, **variables}
    return ["env", *(f"{name}={value}" for name, value in named.items())]


def a_gateway(data: Path, origin: Origin, bucket: Bucket, **settings: str) -> Gateway:
    return Gateway(data, allow=[origin.authority], under=sharing(bucket), shared_url=bucket.url("copies"), **settings)


@pytest.fixture
def bucket() -> Bucket:
    return seaweedfs.shared().fresh_bucket()


@pytest.fixture
def running(tmp_path: Path, origin: Origin, bucket: Bucket) -> Iterator[Gateway]:
    with a_gateway(tmp_path / "data", origin, bucket) as gateway:
        yield gateway


def offloaded(gateway: Gateway, origin: Origin, name: str, **body: Any) -> tuple[str, bytes]:
    """An archive whose copy is in the bucket, and its bytes."""
    origin.serve(f"/{name}", File(BODY))
    archive_hash = str(
        gateway.create(entries=[{"url": origin.url(f"/{name}")}], compression="store", **body)["archive_hash"]
    )
    content = gateway.download(archive_hash)
    gateway.until_logged(lambda line: line["event"] == "copy_offloaded" and line["archive"] == archive_hash)
    return archive_hash, content


def evict(gateway: Gateway, archive_hash: str) -> None:
    """Take the copy from the shelf, as the evictor does."""
    for path in gateway.copy(archive_hash).parent.glob(f"{archive_hash}.*"):
        if path.suffix != ".lock":
            path.unlink()


def keys_of(bucket: Bucket, archive_hash: str) -> list[str]:
    return [key for key in bucket.keys() if archive_hash in key]  # noqa: SIM118 - it is no dict


def test_copy_is_read_from_the_bucket_when_the_shelf_lacks_it(running: Gateway, origin: Origin, bucket: Bucket) -> None:
    """Whole, in ranges, by If-Range and HEAD: the same bytes, length and entity tag, and no origin is asked."""
    archive_hash, content = offloaded(running, origin, "read")
    before, asked = running.get(archive_hash), len(origin.requests())
    evict(running, archive_hash)

    whole, tag = running.get(archive_hash), before.headers["etag"]
    assert whole.content == content
    for name in ("etag", "content-length", "content-disposition", "content-type", "last-modified", "accept-ranges"):
        assert whole.headers[name] == before.headers[name]
    for wanted in ("bytes=0-0", "bytes=1048575-1048577", "bytes=-7", f"bytes=5-{len(content)}"):
        part = running.get(archive_hash, {"Range": wanted, "If-Range": tag})
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, stop = (int(first), int(last) + 1) if first else (len(content) - int(last), len(content))
        assert (part.status_code, part.content) == (206, content[start:stop])
    several = running.get(archive_hash, {"Range": "bytes=0-9,2000000-2000009"})
    assert several.status_code == 206
    assert content[:10] in several.content
    assert content[2_000_000:2_000_010] in several.content
    assert running.get(archive_hash, {"Range": "bytes=0-9", "If-Range": '"other"'}).content == content
    head = running.client.head(f"/archive/get/{archive_hash}.zip")
    assert (head.headers["etag"], int(head.headers["content-length"])) == (tag, len(content))
    assert running.get(archive_hash, {"If-None-Match": tag}).status_code == 304

    status = running.status(archive_hash)
    assert (status["status"], status["cached"]) == ("completed", True)
    assert running.client.post(f"/api/archive/prefetch/{archive_hash}").status_code == 200
    assert len(origin.requests()) == asked


@pytest.mark.parametrize("how", ["altered", "cut", "gone"])
def test_object_that_does_not_hold_is_made_anew(running: Gateway, origin: Origin, bucket: Bucket, how: str) -> None:
    """Altered, cut or gone: its readers get the right bytes from the origins, and a new object takes its place."""
    archive_hash, content = offloaded(running, origin, how)
    evict(running, archive_hash)
    [key] = keys_of(bucket, archive_hash)
    if how == "gone":
        bucket.delete(key)
    else:
        bucket.put(key, content[: len(content) // 2] if how == "cut" else content.replace(b"end", b"END"))
    last = {"Range": f"bytes={len(content) - 2000}-"}  # beside the first blocks, which are whole

    before = len(running.log)

    assert running.get(archive_hash, last).content == content[-2000:]
    assert running.logged("object_lost")["archive"] == archive_hash
    assert running.download(archive_hash) == content
    running.logged("copy_offloaded", after=before)
    evict(running, archive_hash)
    assert running.download(archive_hash) == content
    assert set(keys_of(bucket, archive_hash)) - {key}


def test_object_goes_with_its_archive(running: Gateway, origin: Origin, bucket: Bucket) -> None:
    """By its owner's word and when its time is over."""
    deleted, _ = offloaded(running, origin, "deleted")
    expiring, _ = offloaded(running, origin, "expiring", expires_in=2)
    token = running.create(entries=[{"url": origin.url("/deleted")}], compression="store")["delete_token"]
    assert keys_of(bucket, deleted)
    answer = running.client.delete(f"/api/archive/{deleted}", headers={"X-Delete-Token": token})
    assert answer.status_code == 204
    assert not keys_of(bucket, deleted)
    running.until_logged(lambda line: line["event"] == "archive_expired" and line["archive"] == expiring)
    deadline = time.monotonic() + 10.0
    while keys_of(bucket, expiring):
        assert time.monotonic() < deadline


def test_whole_is_redirected_to_the_bucket_by_choice(tmp_path: Path, origin: Origin, bucket: Bucket) -> None:
    """A presigned link for a plain GET; ranges, conditions and HEAD are answered by the gateway, by its own tag."""
    with a_gateway(tmp_path / "data", origin, bucket, shared_delivery="redirect") as gateway:
        archive_hash, content = offloaded(gateway, origin, "redirected", filename="näme.zip")
        answer = gateway.get(archive_hash)
        assert (answer.status_code, answer.headers["cache-control"]) == (302, "no-store")
        sent = httpx.get(answer.headers["location"], trust_env=False)
        assert hashlib.sha256(sent.content).digest() == hashlib.sha256(content).digest()
        assert sent.headers["content-type"] == "application/zip"
        head = gateway.client.head(f"/archive/get/{archive_hash}.zip")
        assert sent.headers["content-disposition"] == head.headers["content-disposition"]
        assert head.status_code == 200
        assert gateway.get(archive_hash, {"Range": "bytes=0-1"}).content == content[:2]
        assert gateway.get(archive_hash, {"If-None-Match": head.headers["etag"]}).status_code == 304
        for secret in (seaweedfs.SECRET_KEY, "X-Amz-Signature"):
            assert not any(secret in str(line) for line in gateway.log)


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("jobs", ["embedded", "procrastinate"])
def test_node_reads_what_another_one_made(tmp_path: Path, origin: Origin, bucket: Bucket, jobs: str) -> None:
    """One store and bucket, two folders: the second one says completed, sends the same, and asks no origin."""
    settings = {**CLUSTER, "jobs": jobs, "store_url": postgresql.shared().fresh_url()}
    with (
        a_gateway(tmp_path / "one", origin, bucket, **settings) as one,
        a_gateway(tmp_path / "two", origin, bucket, **settings) as two,
    ):
        origin.serve(f"/{jobs}", File(BODY))
        archive_hash = one.create(entries=[{"url": origin.url(f"/{jobs}")}], compression="store")["archive_hash"]
        before = one.get(archive_hash)
        one.logged("copy_offloaded")
        asked = len(origin.requests())
        one.stop()
        after = two.get(archive_hash)
        assert after.content == before.content
        assert after.headers["etag"] == before.headers["etag"]
        status = two.status(archive_hash)
        assert (status["status"], status["cached"]) == ("completed", True)
        assert len(origin.requests()) == asked


def refusal(data: Path, bucket: Bucket, url: str, **variables: str) -> tuple[int, str]:
    """The exit status of a gateway that does not start, and what it says."""
    environment = {**os.environ, "STREAMZIP_SHARED_URL": url, **seaweedfs.shared().environment, **variables}
    command = [str(COMMAND), "serve", "--port", "0", "--data", str(data)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stderr


def test_start_refuses_a_bucket_that_cannot_be_used(tmp_path: Path, bucket: Bucket) -> None:
    """One sentence and an exit status: no such bucket, wrong credentials, another store's; no secret is told."""
    bucket.put("taken/streamzip-store", b"another")
    for url, variables, said in (
        ("s3://no-such-bucket-here", {}, "cannot be listed"),
        (bucket.url("copies"), {"AWS_SECRET_ACCESS_KEY": "not-the-secret"}, "cannot be listed"),
        (bucket.url("taken"), {}, "another store uses it"),
        ("https://bucket.example", {}, "must be a bucket and a prefix"),
    ):
        status, told = refusal(tmp_path / "data", bucket, url, **variables)
        assert status in (1, 2), told
        assert said in told
        assert len(told.strip().splitlines()) == 1
        assert "not-the-secret" not in told
    assert bucket.keys() == ["taken/streamzip-store"]


def test_doctor_tries_the_bucket(tmp_path: Path, bucket: Bucket) -> None:
    """All that is needed there, and leaves nothing; what is not allowed is a failure."""
    for variables, said in (({}, "can be listed"), ({"AWS_SECRET_ACCESS_KEY": "not-the-secret"}, "cannot be listed")):
        environment = {**os.environ, **seaweedfs.shared().environment, **variables}
        environment |= {"STREAMZIP_SHARED_URL": bucket.url("copies")}
        command = [str(COMMAND), "doctor", "--data", str(tmp_path / "data")]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert said in told.stdout, (told.stdout, told.stderr)
        assert "not-the-secret" not in told.stdout + told.stderr
    assert bucket.keys() == []


def test_start_goes_on_while_the_bucket_is_away(tmp_path: Path, origin: Origin, bucket: Bucket) -> None:
    """Downloads come from the origins, and copies wait for it."""
    origin.serve("/away", File(BODY))
    nowhere = sharing(bucket, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    url = bucket.url("copies")
    with Gateway(tmp_path / "data", allow=[origin.authority], under=nowhere, shared_url=url) as gateway:
        archive_hash = gateway.create(entries=[{"url": origin.url("/away")}], compression="store")["archive_hash"]
        assert BODY in gateway.download(archive_hash)
        assert gateway.logged("bucket_away")
        assert gateway.logged("offload_failed")["archive"] == archive_hash


def test_evicted_copy_is_gone_from_the_bucket_too(tmp_path: Path, origin: Origin, bucket: Bucket) -> None:
    """An operator evicts an archive's copy: no object is left of it, and its bytes are pulled again, the same ones."""
    keys = {"admin_keys": f"op:{hashlib.sha256(b'admin').hexdigest()}", "signed_links": "off"}
    with a_gateway(tmp_path / "data", origin, bucket, **keys) as gateway:
        archive_hash, content = offloaded(gateway, origin, "evicted")
        asked = len(origin.requests("/evicted"))
        assert keys_of(bucket, archive_hash)
        field = {"Authorization": "Bearer admin"}
        evicted = gateway.client.delete(f"/api/admin/copies/{archive_hash}", headers=field)
        assert evicted.status_code == 204, evicted.text
        assert not keys_of(bucket, archive_hash)
        assert gateway.download(archive_hash) == content
        assert len(origin.requests("/evicted")) > asked
