"""Uploaded files in a bucket: any gateway of the store serves, packs and deletes what another one took."""

import os
import shutil
from pathlib import Path

import pytest

from tests.api.test_shared_copies import CLUSTER, a_gateway, sharing
from tests.support import postgresql, seaweedfs
from tests.support.gateway import Gateway
from tests.support.origin import Origin
from tests.support.seaweedfs import Bucket

pytestmark = pytest.mark.needs("seaweedfs")

BODY = os.urandom(1 << 20) * 2 + b"end"


@pytest.fixture
def bucket() -> Bucket:
    return seaweedfs.shared().fresh_bucket()


def uploaded(bucket: Bucket) -> list[str]:
    return [key for key in bucket.keys() if "/uploads/" in key]  # noqa: SIM118 - it is no dict


@pytest.mark.needs("postgresql")
def test_upload_is_every_node_s(tmp_path: Path, origin: Origin, bucket: Bucket) -> None:
    """Its taker is killed and its disk is gone: the other one has the file, with its ETag, ranges and digest, packs it,
    keeps it while that archive needs it, and deletes it with its object.
    """
    settings = {**CLUSTER, "store_url": postgresql.shared().fresh_url(), "upload_extensions": "txt,bin"}
    with (
        a_gateway(tmp_path / "one", origin, bucket, **settings) as one,
        a_gateway(tmp_path / "two", origin, bucket, **settings) as two,
    ):
        sent = one.client.post("/upload/a.bin", content=BODY)
        assert sent.status_code == 201, sent.text
        before = one.client.get("/download/a.bin")
        one.kill()
        shutil.rmtree(one.data)
        after = two.client.get("/download/a.bin")
        assert after.content == before.content == BODY
        told = ("etag", "last-modified", "content-type", "content-length", "accept-ranges")
        assert [after.headers[name] for name in told] == [before.headers[name] for name in told]
        assert after.headers["etag"] == f'"{sent.json()["sha256"]}"'
        for wanted, expected in (("bytes=0-0", BODY[:1]), ("bytes=262143-262144", BODY[262143:262145])):
            part = two.client.get("/download/a.bin", headers={"Range": wanted, "If-Range": after.headers["etag"]})
            assert (part.status_code, part.content) == (206, expected)
        again = two.client.get("/download/a.bin", headers={"If-None-Match": after.headers["etag"]})
        assert again.status_code == 304
        assert two.client.post("/upload/A.BIN", content=b"x").json()["code"] == "name_taken"

        archive_hash = two.create(urls=["upload:a.bin"], compression="store")["archive_hash"]
        refused = two.client.delete("/upload/a.bin")
        assert (refused.status_code, refused.json()["code"]) == (409, "upload_in_use")
        assert BODY in two.download(archive_hash)
        two.until(archive_hash)
        assert len(uploaded(bucket)) == 1
        assert two.client.delete("/upload/a.bin").status_code == 204
        assert uploaded(bucket) == []
        assert two.client.get("/download/a.bin").status_code == 404


def test_object_of_an_upload_that_is_gone_is_told(tmp_path: Path, origin: Origin, bucket: Bucket) -> None:
    """404, as of a file that was deleted; an archive of it leaves it out; altered, it is refused."""
    with a_gateway(tmp_path / "data", origin, bucket) as gateway:
        for name in ("gone.txt", "altered.txt", "whole.txt"):
            assert gateway.client.post(f"/upload/{name}", content=name.encode() * 1000).status_code == 201
            if name == "gone.txt":
                bucket.delete(uploaded(bucket)[0])
            elif name == "altered.txt":
                bucket.put(uploaded(bucket)[0], b"other" * 1000)
        assert gateway.client.get("/download/gone.txt").status_code == 404
        altered = gateway.client.get("/download/altered.txt")
        assert (altered.status_code, altered.json()["code"]) == (500, "damaged")
        assert gateway.client.get("/download/whole.txt").content == b"whole.txt" * 1000
        created = gateway.create(urls=["upload:altered.txt"], compression="store")
        assert gateway.get(created["archive_hash"]).json()["code"] == "crc_mismatch"


def test_upload_is_refused_while_the_bucket_is_away(tmp_path: Path, bucket: Bucket) -> None:
    """503 with a stable code, nothing is left of it, and its name is free."""
    nowhere = sharing(bucket, AWS_ENDPOINT_URL="http://127.0.0.1:9")
    with Gateway(tmp_path / "data", under=nowhere, shared_url=bucket.url("copies")) as gateway:
        for _ in range(2):
            refused = gateway.client.post("/upload/a.txt", content=BODY)
            assert (refused.status_code, refused.json()["code"]) == (503, "bucket_unavailable")
            assert refused.headers["retry-after"] == "5"
        assert gateway.client.get("/download").json() == []
        assert os.listdir(gateway.data / "uploads" / "arriving") == []
