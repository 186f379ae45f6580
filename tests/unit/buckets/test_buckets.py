"""Buckets as the operator writes them, and objects as clients do."""

import os
from pathlib import Path

import pytest

from streamzip.buckets.store import prove
from streamzip.config import Settings, SetupError
from streamzip.listed_buckets import Bucket, parse_bucket
from streamzip.manifest.objects import ObjectName, object_in


@pytest.mark.parametrize(
    ("text", "bucket"),
    [
        ("s3://photos?region=eu-1", Bucket("photos", "eu-1", "https://photos.s3.eu-1.amazonaws.com/")),
        ("s3://a.b/?region=eu-1", Bucket("a.b", "eu-1", "https://s3.eu-1.amazonaws.com/a.b/")),
        (
            "s3://photos?endpoint=http://10.0.0.1:9000/&region=r&credentials=profile:p&versions=pinned&key=a&key=b",
            Bucket("photos", "r", "http://10.0.0.1:9000/photos/", "profile:p", "pinned", frozenset("ab")),
        ),
        (
            "s3://photos?endpoint=https://{bucket}.s.example&region=r",
            Bucket("photos", "r", "https://photos.s.example/"),
        ),
    ],
)
def test_bucket_is_read_as_it_is_written(text: str, bucket: Bucket) -> None:
    """Amazon's own endpoint needs the region alone; another one has the bucket in its path, or where {bucket} is."""
    assert parse_bucket(text) == bucket


@pytest.mark.parametrize(
    "text",
    [
        *(
            "photos",
            "gs://photos?region=r",
            "s3://p?region=r",
            "s3://a..b?region=r",
            "s3://photos",
            "s3://photos?region=",
        ),
        *("s3://photos?region=r&credentials=magic", "s3://photos?region=r&versions=all", "s3://photos?region=r&x=1"),
        *("s3://photos?region=r&region=s", "s3://photos?region=r&key=a b", "s3://photos?region=r&endpoint=ftp://x"),
        *("s3://photos?region=r&endpoint=https://u:p@x", "s3://photos?region=r&endpoint=https://x/path"),
    ],
)
def test_bucket_that_is_written_wrong_is_refused(text: str) -> None:
    """A misspelt option would be one that is not there."""
    with pytest.raises(ValueError, match=r"bucket|s3://"):
        parse_bucket(text)


def test_bucket_that_is_listed_twice_is_refused() -> None:
    """Which of the two is meant cannot be told."""
    with pytest.raises(ValueError, match="twice"):
        Settings.model_validate({"object_sources": "s3://photos?region=r,s3://photos?region=s"})


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://b/a%20b%23/%C3%A4+.txt", ObjectName("b", "a b#/ä+.txt")),
        ("s3://b/k?versionId=a%2Fb", ObjectName("b", "k", "a/b")),
        ("s3://b/", ObjectName("b", "")),
        ("s3://b//x//", ObjectName("b", "/x//")),
    ],
)
def test_object_is_read_and_written_again(url: str, name: ObjectName) -> None:
    """A key is percent-encoded; what is read of the URL that is made of it is the same."""
    assert object_in(url) == name
    assert object_in(name.url) == name


@pytest.mark.parametrize(
    "url",
    [
        "s3://b",
        "s3:///k",
        "s3://b/k#x",
        "s3://b/k?x=1",
        "s3://b/ k",
        "s3://b/%ff",
        "s3://b/k/?versionId=1",
        "s3://b/../other/k",
        "s3://b/a/%2e/k",
    ],
)
def test_object_that_is_none_is_refused(url: str) -> None:
    """Each with a sentence that may be public."""
    with pytest.raises(ValueError, match=r".{20}"):
        object_in(url)


def test_gateway_does_not_start_without_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bucket needs is proven before anybody is let in; `chain` asks the machine only when it is needed."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    for credentials in ("environment", "profile:nobody"):
        source = f"s3://photos?region=eu-1&credentials={credentials}"
        with pytest.raises(SetupError, match=r"s3://photos: no credentials are found"):
            prove(Settings.model_validate({"object_sources": source, "data_dir": tmp_path}))
    chain = "s3://photos?region=eu-1&credentials=chain"
    prove(Settings.model_validate({"object_sources": chain, "data_dir": tmp_path}))
