"""The S3 server of the tests is a real one, and what it keeps is what a test put."""

import pytest

from tests.support import seaweedfs

pytestmark = pytest.mark.needs("seaweedfs")


def test_bucket_gives_objects_back_by_name_and_lists_them() -> None:
    """Each test has a bucket of its own, which keeps each version where it is asked to."""
    bucket = seaweedfs.shared().fresh_bucket(versioned=True)
    first = bucket.put("a/ä b.txt", b"old")
    second = bucket.put("a/ä b.txt", b"new")
    bucket.put("z", b"")
    assert first != second
    assert bucket.get("a/ä b.txt") == b"new"
    assert bucket.keys() == ["a/ä b.txt", "z"]
    bucket.delete("z")
    assert bucket.keys() == ["a/ä b.txt"]
