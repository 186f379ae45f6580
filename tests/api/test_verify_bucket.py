"""`streamzip verify` of what is in the bucket: what is noted there can be read, and is what was put."""

import os
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from streamzip.config import Settings
from streamzip.verify import Verification
from tests.api.test_shared_copies import BODY, a_gateway, keys_of, offloaded
from tests.support import seaweedfs
from tests.support.gateway import COMMAND
from tests.support.origin import Origin
from tests.support.seaweedfs import Bucket

pytestmark = [pytest.mark.needs("seaweedfs"), pytest.mark.alone]


def damages(data: Path, bucket: Bucket, *, deep: bool = False) -> list[tuple[str, str]]:
    """The subjects that are damaged, each with what is wrong."""
    settings = Settings(data_dir=data, shared_url=bucket.url("copies"))
    with closing(Verification(settings, deep=deep)) as verification:
        found = [(each.subject, each.problem) for each in verification.run(lambda count: None)]
        assert verification.size() >= (len(BODY) if deep else 0)
        return found


def test_verify_tells_what_of_the_bucket_is_missing_or_damaged(
    tmp_path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Altered in the middle, which `--deep` alone reads; cut; gone; and a bucket that is away. Then exit 1."""
    bucket, data = seaweedfs.shared().fresh_bucket(), tmp_path / "data"
    for name, value in seaweedfs.shared().environment.items():
        monkeypatch.setenv(name, value)
    with a_gateway(data, origin, bucket) as gateway:
        archive_hash, content = offloaded(gateway, origin, "verified")
        assert gateway.client.post("/upload/a.txt", content=BODY).status_code == 201
    [copy], [upload] = keys_of(bucket, archive_hash), [key for key in bucket.keys() if "/uploads/" in key]  # noqa: SIM118
    assert damages(data, bucket) == damages(data, bucket, deep=True) == []

    middle = len(content) // 2
    bucket.put(copy, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    bucket.put(upload, BODY[:middle] + bytes([BODY[middle] ^ 1]) + BODY[middle + 1 :])
    subjects = [f"copy {archive_hash} in the bucket", "upload a.txt"]
    assert damages(data, bucket) == []
    assert [subject for subject, _ in damages(data, bucket, deep=True)] == subjects
    bucket.put(copy, content[:-1])
    bucket.delete(upload)
    cut = f"its object has {len(content) - 1:,} bytes and not {len(content):,}"
    expected = list(zip(subjects, (cut, "its object is not in the bucket"), strict=True))
    assert damages(data, bucket) == damages(data, bucket, deep=True) == expected

    command = [str(COMMAND), "verify", "--data", str(data), "--deep"]
    environment = {**os.environ, "STREAMZIP_SHARED_URL": bucket.url("copies")}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, len(told.stdout.splitlines())) == (1, 2), (told.stdout, told.stderr)
    assert "1 copies in the bucket; damaged: 2" in told.stderr
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    [(subject, _)] = damages(data, bucket)
    assert subject == "bucket"
