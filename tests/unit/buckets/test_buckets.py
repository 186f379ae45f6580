"""Buckets as the operator writes them, and objects as clients do."""

import os
from pathlib import Path

import pytest

from streamzip.buckets.signing_azure import SAS_VARIABLE
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
        ("gs://maps", Bucket("maps", "auto", "https://storage.googleapis.com/maps/", scheme="gs")),
        (
            "gs://maps?credentials=file:/etc/maps.json&key=",
            Bucket(
                *("maps", "auto", "https://storage.googleapis.com/maps/", "file:/etc/maps.json", "latest"),
                *(frozenset([""]), "gs"),
            ),
        ),
        (
            "az://films?account=studio&credentials=anonymous",
            Bucket(
                *("films", "auto", "https://studio.blob.core.windows.net/films/", "anonymous"),
                scheme="az",
                account="studio",
            ),
        ),
        (
            "az://films?account=studio&endpoint=http://127.0.0.1:10000/studio/",
            Bucket("films", "auto", "http://127.0.0.1:10000/studio/films/", scheme="az", account="studio"),
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
    with pytest.raises(ValueError, match=r"bucket|(s3|gs|az)://"):
        parse_bucket(text)


def test_bucket_that_is_listed_twice_is_refused() -> None:
    """Which of the two is meant cannot be told."""
    with pytest.raises(ValueError, match="twice"):
        Settings.model_validate({"object_sources": "s3://photos?region=r,s3://photos?region=s"})
    Settings.model_validate({"object_sources": "s3://photos?region=r,gs://photos"})


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://b/a%20b%23/%C3%A4+.txt", ObjectName("s3", "b", "a b#/ä+.txt")),
        ("s3://b/k?versionId=a%2Fb", ObjectName("s3", "b", "k", "a/b")),
        ("s3://b/", ObjectName("s3", "b", "")),
        ("s3://b//x//", ObjectName("s3", "b", "/x//")),
        ("gs://b/k?generation=1780000000000001", ObjectName("gs", "b", "k", "1780000000000001")),
        ("az://b/k?versionid=2026-01-01T00%3A00%3A00.1Z", ObjectName("az", "b", "k", "2026-01-01T00:00:00.1Z")),
        (f"az://b/{'%C3%A4' * 1024}", ObjectName("az", "b", "ä" * 1024)),
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
        "s3://b/k?generation=1",
        "gs://b/k?versionId=1",
        "az://b/k?versionId=1",
        f"gs://b/{'%C3%A4' * 513}",
        f"az://b/{'a' * 1025}",
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
    for name in (*("AWS_ACCESS_KEY_ID", "GOOGLE_APPLICATION_CREDENTIALS"), *("AZURE_STORAGE_KEY", SAS_VARIABLE)):
        monkeypatch.delenv(name, raising=False)
    for source in (
        *("s3://photos?region=eu-1", "s3://photos?region=eu-1&credentials=profile:nobody"),
        *("gs://photos", "gs://photos?credentials=profile:nobody", "az://photos?account=studio"),
    ):
        with pytest.raises(SetupError, match=r"://photos: no credentials are found"):
            prove(Settings.model_validate({"object_sources": source, "data_dir": tmp_path}))
    for asks in ("s3://photos?region=eu-1&credentials=chain", "gs://photos?credentials=anonymous"):
        prove(Settings.model_validate({"object_sources": asks, "data_dir": tmp_path}))
