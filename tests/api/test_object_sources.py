"""Objects of private buckets as entries: a real S3 server, and a scripted one for what a real one seldom says.

The scripted answers are written as Amazon's documentation has them ("Error responses").
"""

import json
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

import httpx
import pytest

from streamzip.access.api_keys import new_key
from tests.support import seaweedfs
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Reply, Request, Status
from tests.support.seaweedfs import Bucket

pytestmark = pytest.mark.needs("seaweedfs")

LARGE = Pattern(9 << 20)  # of two parts
ADMIN, ADMIN_LINE = new_key("root")


@pytest.fixture(scope="module")
def buckets() -> dict[str, Bucket]:
    """A bucket that keeps one version of each object, one that keeps all, and one for lists of an upstream alone."""
    server = seaweedfs.shared()
    plain, versioned = server.fresh_bucket(), server.fresh_bucket(versioned=True)
    plain.put("photos/a.txt", b"aaaa")
    plain.put("photos/deep/ä b+c%20d.txt", b"bb")
    plain.put("photos/deep/", b"")
    plain.put("photos/none.txt", b"")
    plain.put("large.bin", bytes(LARGE[:]))
    closed = server.fresh_bucket()
    closed.put("a b#%20.jpg", b"first")
    closed.put("deep/b.jpg", b"second")
    return {"plain": plain, "versioned": versioned, "closed": closed}


@pytest.fixture(scope="module")
def scripted() -> Iterator[Origin]:
    """A bucket's endpoint that answers as it is told."""
    with Origin() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def gateway(
    buckets: dict[str, Bucket], scripted: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that reads these buckets; of their endpoints no client may name one."""
    folder = tmp_path_factory.mktemp("buckets")
    (folder / "credentials").write_text(
        "[wrong]\naws_access_key_id=testkey\naws_secret_access_key=another\n"
        f"[hmac]\naws_access_key_id={seaweedfs.ACCESS_KEY}\naws_secret_access_key={seaweedfs.SECRET_KEY}\n"
    )
    place = f"?endpoint={seaweedfs.shared().endpoint}&region={seaweedfs.REGION}"
    sources = [
        f"{buckets['plain'].url()}{place}",
        f"{buckets['versioned'].url()}{place}&versions=pinned",
        f"s3://scripted?endpoint={scripted.url('')}&region=eu-central-1",
        f"s3://locked{place}&credentials=profile:wrong",
        f"{buckets['closed'].url()}{place}&key=",
        f"gs://{buckets['plain'].name}?endpoint={seaweedfs.shared().endpoint}&credentials=profile:hmac",
    ]
    with pytest.MonkeyPatch.context() as environment:
        for name, value in seaweedfs.shared().environment.items():
            environment.setenv(name, value)
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
        environment.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", scripted.url("/metadata"))
        own = {"compat": "esri", "upstream": scripted.url(""), "upstream_via": "secret", "admin_keys": ADMIN_LINE}
        with Gateway(folder / "data", object_sources=",".join(sources), **own) as gateway:
            yield gateway
    assert not scripted.requests("/metadata")  # the machine's own credentials are asked for by `chain` alone


def members(response: httpx.Response) -> dict[str, bytes]:
    assert response.status_code in (200, 206), response.text
    with zipfile.ZipFile(BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        return {each.filename: archive.read(each) for each in archive.infolist()}


def refused(gateway: Gateway, **body: object) -> httpx.Response:
    return gateway.client.post("/api/archive/create", json=body)


def said(code: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>m</Message></Error>'.encode()


def test_prefix_gives_the_objects_below_it_by_their_names(gateway: Gateway, buckets: dict[str, Bucket]) -> None:
    """An entry that is a prefix becomes what lies below, in the folder that its name says; markers are folders."""
    plain = buckets["plain"]
    prefix = {"url": plain.url("photos/"), "name": "holiday/"}
    created = gateway.create(entries=[prefix, {"url": plain.url("photos/a.txt"), "name": "one.txt"}])
    assert created["entries"] == 5
    answer = gateway.get(created["archive_hash"])
    assert members(answer) == {
        "holiday/a.txt": b"aaaa",
        "holiday/deep/": b"",
        "holiday/deep/ä b+c%20d.txt": b"bb",
        "holiday/none.txt": b"",
        "one.txt": b"aaaa",
    }
    # The same objects are the same archive; other bytes under a key are another one.
    assert gateway.create(entries=[prefix])["archive_hash"] == gateway.create(entries=[prefix])["archive_hash"]
    before = gateway.create(urls=[plain.url("photos/")])["archive_hash"]
    plain.put("photos/a.txt", b"AAAA")
    assert gateway.create(urls=[plain.url("photos/")])["archive_hash"] != before


def test_private_object_comes_in_parts_and_resumes(gateway: Gateway, buckets: dict[str, Bucket]) -> None:
    """Length, strong ETag and ranges are those of any archive, whose files are asked for with signatures."""
    hash = gateway.create(urls=[buckets["plain"].url("large.bin")])["archive_hash"]
    whole = gateway.get(hash)
    assert members(whole) == {"large.bin": bytes(LARGE[:])}
    assert whole.headers["etag"].startswith('"')
    assert int(whole.headers["content-length"]) == len(whole.content)
    rest = gateway.get(hash, {"Range": "bytes=5000000-", "If-Range": whole.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, whole.content[5_000_000:])
    shown = gateway.client.get(f"/api/admin/archives/{hash}", headers={"Authorization": f"Bearer {ADMIN}"})
    assert shown.json()["origin"] == seaweedfs.shared().authority  # where it counts for the queues' shares


def test_bucket_of_google_is_read_with_hmac_keys(gateway: Gateway, buckets: dict[str, Bucket]) -> None:
    """They sign as Amazon's do, which a real server checks here; a prefix is listed, a large object comes in parts."""
    place = f"gs://{buckets['plain'].name}"
    hash = gateway.create(urls=[f"{place}/large.bin", f"{place}/photos/deep/"])["archive_hash"]
    assert members(gateway.get(hash)) == {"large.bin": bytes(LARGE[:]), "ä b+c%20d.txt": b"bb"}


def test_version_is_pinned_when_the_archive_is_made(gateway: Gateway, buckets: dict[str, Bucket]) -> None:
    """With `versions=pinned` an archive holds what was there at create, whatever is stored since."""
    versioned = buckets["versioned"]
    versioned.put("k/one.txt", b"old")
    hash = gateway.create(urls=[versioned.url("k/"), versioned.url("k/one.txt")])["archive_hash"]
    newest = versioned.put("k/one.txt", b"newer")
    assert members(gateway.get(hash)) == {"one.txt": b"old", "one (2).txt": b"old"}
    named = gateway.create(urls=[f"{versioned.url('k/one.txt')}?versionId={newest}"])["archive_hash"]
    assert members(gateway.get(named)) == {"one.txt": b"newer"}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"url": "s3://another/a.txt"}, "none that this gateway reads"),
        ({"url": "s3://another/"}, "none that this gateway reads"),
        ({"url": "s3://PLAIN/nothing/here/"}, "no object lies below"),
        ({"url": "s3://PLAIN/photos/", "size": 3}, "a prefix has a `name`"),
        ({"url": "s3://PLAIN/a b"}, "percent-encode"),
        ({"url": "s3://PLAIN"}, "written s3://bucket/key"),
        ({"url": "s3://PLAIN/a", "headers": {"Authorization": "x"}}, "http and https"),
    ],
)
def test_create_refuses_what_no_bucket_gives(
    gateway: Gateway, buckets: dict[str, Bucket], entry: dict[str, object], told: str
) -> None:
    """A bucket that is not listed, a prefix without objects and a URL that is none are named, and nothing is stored."""
    entry["url"] = str(entry["url"]).replace("PLAIN", buckets["plain"].name)
    answer = refused(gateway, entries=[entry])
    assert answer.status_code == 422
    assert told in answer.json()["detail"]
    assert answer.json()["errors"][0]["pointer"].startswith("/entries/0/")


def test_wrong_keys_are_said_to_be_wrong(gateway: Gateway) -> None:
    """The entry's code and the problem of a list name the credentials, and no secret."""
    hash = gateway.create(urls=["s3://locked/a.txt"])["archive_hash"]
    assert gateway.get(hash).json()["code"] == "no_entries"
    assert [each["code"] for each in gateway.status(hash)["errors"]] == ["bad_credentials"]
    listing = refused(gateway, urls=["s3://locked/photos/"])
    assert (listing.status_code, listing.json()["code"]) == (502, "listing_failed")
    assert "bad_credentials" in listing.json()["detail"]


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (403, "InvalidObjectState", "cold_storage"),
        (403, "AccessDenied", "access_denied"),
        (404, "NoSuchKey", "http_404"),
        (404, "NoSuchBucket", "no_bucket"),
        (307, "TemporaryRedirect", "wrong_region"),
        (301, "PermanentRedirect", "wrong_region"),
        (400, "AuthorizationHeaderMalformed", "wrong_region"),
    ],
)
def test_refusal_has_the_code_of_its_reason(
    gateway: Gateway, scripted: Origin, origin: Origin, status: int, reason: str, code: str
) -> None:
    """What the bucket's XML says decides; a redirect is not followed, so that no host is asked that nobody named."""
    path = f"/{reason}-{status}"
    fields = (("Location", origin.url(path)),) if status < 400 else ()
    scripted.serve(f"/scripted{path}", Status(status, fields, said(reason)))
    hash = gateway.create(urls=[f"s3://scripted{path}"])["archive_hash"]
    assert gateway.get(hash).status_code == 502
    assert [each["code"] for each in gateway.status(hash)["errors"]] == [code]
    assert not origin.requests(path)


def test_credentials_that_expire_in_mid_download_are_renewed(gateway: Gateway, scripted: Origin) -> None:
    """Each attempt is signed anew, and goes on where the last one ended; SlowDown is waited out."""
    body = Pattern(1 << 20)
    refusals = [Status(400, (), said("ExpiredToken")), Status(503, (), said("SlowDown"))]
    asked: list[Request] = []

    def answer(request: Request) -> File | Status:
        asked.append(request)
        if len(asked) == 1:
            return File(body)  # to the probe
        if len(asked) == 2:
            return File(body, cut_at=600_000)
        return refusals.pop(0) if refusals else File(body)

    scripted.serve("/scripted/long.bin", Reply(answer))
    hash = gateway.create(entries=[{"url": "s3://scripted/long.bin"}])["archive_hash"]
    assert members(gateway.get(hash)) == {"long.bin": bytes(body[:])}
    assert all(request.fields["authorization"].startswith("AWS4-HMAC-SHA256 Cred") for request in asked)
    assert asked[-1].fields["range"].startswith("bytes=6")


def manifest(bucket: Bucket, **changed: object) -> bytes:
    """A manifest of Esri/zipstream, in its README's form; `changed`: members of its second entry."""
    source = f"s3://{bucket.name}/"
    first = {"archive_name": "z.jpg", "length": 5, "crc": zlib.crc32(b"first"), "source": f"{source}a b#%20.jpg"}
    second = {"archive_name": "a.jpg", "length": 6, "crc": zlib.crc32(b"second"), "source": f"{source}deep/b.jpg"}
    entries = [
        each | {"last_modified": "2020-04-24T19:12:24.268Z"} | more for each, more in ((first, {}), (second, changed))
    ]
    return json.dumps({"filename": "test.zip", "entries": entries}).encode()


def test_manifest_of_esri_becomes_the_zip(gateway: Gateway, scripted: Origin, buckets: dict[str, Bucket]) -> None:
    """The upstream is told what is wanted, and never Range; members lie by their names; HEAD and Range work."""
    scripted.serve("/zip/42", Status(200, (("X-Zip-Stream", "true"),), manifest(buckets["closed"])))
    whole = gateway.client.get("/zip/42?size=full", headers={"Cookie": "session=1"})
    assert list(members(whole).items()) == [("a.jpg", b"second"), ("z.jpg", b"first")]
    with zipfile.ZipFile(BytesIO(whole.content)) as archive:
        assert archive.infolist()[0].date_time == (2020, 4, 24, 19, 12, 24)
    assert 'filename="test.zip"' in whole.headers["content-disposition"]
    part = gateway.client.get("/zip/42?size=full", headers={"Range": "bytes=10-", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[10:])
    assert gateway.client.head("/zip/42").headers["content-length"] == str(len(whole.content))
    asked = scripted.requests("/zip/42")[0]
    assert (asked.target, asked.fields["cookie"]) == ("/zip/42?size=full", "session=1")
    assert asked.fields["x-via-zip-stream"] == "secret"
    assert not any("range" in request.fields for request in scripted.requests("/zip/42"))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>log in</html>", "not JSON"),
        (b"[]", "an object with `filename`"),
        (b'{"filename": "a.zip", "entries": []}', "no entries"),
        ({"crc": "0a"}, "entry 2: `crc` is a whole number"),
        ({"length": -1}, "entry 2: `length` is a whole number"),
        ({"source": "https://a/b"}, "entry 2: `source` is an s3://bucket/key"),
        ({"archive_name": None}, "entry 2: `archive_name` is a text"),
        ({"last_modified": "yesterday"}, "entry 2: a time is written"),
        ({"last_modified": None}, "entry 2: a time is written"),
        (b" " * (17 << 20), "longer than 16 MiB"),
    ],
    ids=["page", "list", "empty", "crc", "length", "source", "name", "time", "no time", "long"],
)
def test_manifest_that_cannot_be_read_is_named(
    gateway: Gateway, scripted: Origin, buckets: dict[str, Bucket], body: bytes | dict[str, object], told: str
) -> None:
    """Which entry is wrong, and what is expected there; nothing is kept."""
    sent = body if isinstance(body, bytes) else manifest(buckets["closed"], **body)
    scripted.serve("/zip/bad", Status(200, (("X-Zip-Stream", "true"),), sent))
    answer = gateway.client.get("/zip/bad")
    assert (answer.status_code, answer.json()["code"]) == (502, "bad_list")
    assert told in answer.json()["detail"]


def test_manifest_is_a_promise_and_a_refusal_passes(
    gateway: Gateway, scripted: Origin, buckets: dict[str, Bucket]
) -> None:
    """A length or CRC that is wrong fails the download; keys that nobody knows are passed over, and only a 200 with the
    field is a manifest.
    """
    marked = (("X-Zip-Stream", "true"),)
    for number, wrong in enumerate(({"length": 7}, {"crc": 1})):
        scripted.serve(f"/zip/wrong{number}", Status(200, marked, manifest(buckets["closed"], **wrong)))
        try:
            answer = gateway.client.get(f"/zip/wrong{number}")
        except httpx.RemoteProtocolError:
            continue
        assert answer.status_code in (409, 502), answer.text
    scripted.serve("/zip/more", Status(200, marked, manifest(buckets["closed"], more="x")))
    assert members(gateway.client.get("/zip/more")) == {"a.jpg": b"second", "z.jpg": b"first"}
    scripted.serve("/zip/refused", Status(403, marked, b"no"))
    assert (gateway.client.get("/zip/refused").status_code, gateway.client.get("/zip/refused").text) == (403, "no")
    assert gateway.client.post("/zip/refused").status_code == 404


def test_bucket_of_lists_alone_is_closed_to_clients(gateway: Gateway, buckets: dict[str, Bucket]) -> None:
    """What an upstream may list, no create may name: neither as an object, nor by the lists' own scheme."""
    closed = buckets["closed"]
    for url in (closed.url("deep/b.jpg"), closed.url(), f"upstream-{closed.url('deep/b.jpg')}"):
        assert refused(gateway, urls=[url]).status_code == 422
