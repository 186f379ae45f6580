"""Objects of Google's and Azure's stores as entries: before scripted endpoints that check each request's signature.

They are mocks, and answer as the documentation of both has it. tests/resilience/test_azurite.py asks Microsoft's own
emulator, and tests/api/test_object_sources.py a real server with Google's other kind of keys.
"""

import gzip
import zipfile
from collections.abc import Iterator
from io import BytesIO
from urllib.parse import parse_qs

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import Answer, File, Origin, Pattern, Request, Status
from tests.support.signed_requests import AzureAccount, GoogleAccount

LARGE = Pattern(9 << 20)  # of two parts
LIST = "<ListBucketResult><EncodingType>url</EncodingType>{}</ListBucketResult>"
MORE = "<IsTruncated>true</IsTruncated><NextContinuationToken>t/1</NextContinuationToken>"
BLOBS = (
    "\ufeff<?xml version='1.0'?><EnumerationResults><Blobs>{}</Blobs><NextMarker>{}</NextMarker></EnumerationResults>"
)


@pytest.fixture(scope="module")
def google() -> GoogleAccount:
    """The account whose signatures the endpoint takes."""
    return GoogleAccount()


@pytest.fixture(scope="module")
def azure() -> AzureAccount:
    """The account whose signatures the endpoint takes."""
    return AzureAccount("studio")


@pytest.fixture(scope="module")
def stores() -> Iterator[Origin]:
    """Both stores' endpoint."""
    with Origin() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def gateway(
    google: GoogleAccount, azure: AzureAccount, stores: Origin, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that reads both stores, and one of each with credentials that these do not take."""
    folder = tmp_path_factory.mktemp("stores")
    key, other = google.write(folder / "key.json"), GoogleAccount().write(folder / "other.json")
    (folder / "azure").write_text(azure.key)
    (folder / "sas").write_text("sp=rl&se=2020-01-01T00:00:00Z&spr=https&sv=2021-12-02&sr=c&sig=b2xkIG9sZCBvbGQgb2xk")
    endpoint = f"endpoint={stores.url('')}"
    place = f"account={azure.name}&endpoint={stores.url(f'/{azure.name}')}"
    sources = [
        f"gs://maps?{endpoint}&credentials=file:{key}&versions=pinned",
        f"gs://latest?{endpoint}&credentials=file:{key}",
        f"gs://locked?{endpoint}&credentials=file:{other}",
        f"gs://public?{endpoint}&credentials=anonymous",
        f"az://films?{place}&credentials=file:{folder}/azure",
        f"az://locked?{place}&credentials=file:{folder}/sas",
    ]
    with Gateway(folder / "data", object_sources=",".join(sources)) as gateway:
        yield gateway


def members(gateway: Gateway, **body: object) -> dict[str, bytes]:
    hash = gateway.create(**body)["archive_hash"]
    with zipfile.ZipFile(BytesIO(gateway.download(hash))) as archive:
        assert archive.testzip() is None
        return {each.filename: archive.read(each) for each in archive.infolist()}


def codes(gateway: Gateway, *urls: str) -> list[str]:
    """The reasons for which these entries are left out of an archive, of which nothing else is there."""
    hash = gateway.create(urls=urls)["archive_hash"]
    assert gateway.get(hash).status_code == 502
    return [each["code"] for each in gateway.status(hash)["errors"]]


def asked(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.target.partition("?")[2]).items()}


def contents(key: str, size: int) -> str:
    row = f"<Key>{key}</Key><Generation>17{size}</Generation><ETag>'e'</ETag><Size>{size}</Size>"
    return f"<Contents>{row}<LastModified>2026-06-01T10:00:00.000Z</LastModified></Contents>"


def blob(name: str, size: int, more: str = "") -> str:
    told = f"<Content-Length>{size}</Content-Length><Etag>0x8D</Etag>{more}"
    return f"<Blob><Name>{name}</Name><Properties>{told}</Properties></Blob>"


def test_google_prefix_is_packed_with_its_generations(gateway: Gateway, google: GoogleAccount, stores: Origin) -> None:
    """Each request is signed by the account's key; objects are asked for as they are stored, at their generation."""

    def listed(request: Request) -> Answer:
        on = "continuation-token" in asked(request)
        page = contents("a/large%2B1", len(LARGE)) if on else contents("a/1.txt", 3) + contents("a/b/", 0) + MORE
        return Status(200, (), LIST.format(page).encode())

    stores.serve("/maps/", google.guarded(listed))
    stores.serve("/maps/a/1.txt", google.guarded(lambda _: File(b"one")))
    stores.serve("/maps/a/large%2B1", google.guarded(lambda _: File(LARGE)))
    found = members(gateway, urls=["gs://maps/a/", "gs://maps/a/1.txt?generation=173"])
    assert found == {"1.txt": b"one", "b/": b"", "large+1": bytes(LARGE[:]), "1 (2).txt": b"one"}
    objects = [*stores.requests("/maps/a/1.txt"), *stores.requests("/maps/a/large%2B1")]
    assert {asked(request)["generation"] for request in objects} == {"173", f"17{len(LARGE)}"}
    assert {request.fields["accept-encoding"] for request in objects} == {"gzip"}
    assert {request.fields["accept-encoding"] for request in stores.requests("/maps/")} == {"identity"}
    parts = [request for request in objects if request.fields.get("range", "").startswith("bytes=8388608-")]
    assert parts and all(request.fields["if-range"] == '"v1"' for request in parts)


def test_newest_generation_of_one_object_is_pinned(gateway: Gateway, google: GoogleAccount, stores: Origin) -> None:
    """With `versions=pinned` it takes one question; of a bucket without it none."""
    stores.serve("/maps/", google.guarded(lambda _: Status(200, (), LIST.format(contents("one", 3)).encode())))
    for name in ("maps", "latest"):
        stores.serve(f"/{name}/one", google.guarded(lambda _: File(b"one")))
        assert members(gateway, urls=[f"gs://{name}/one"]) == {"one": b"one"}
    assert "generation" in asked(stores.requests("/maps/one")[0])
    assert "generation" not in asked(stores.requests("/latest/one")[0])
    assert not stores.requests("/latest/")


def test_object_that_is_stored_compressed_is_not_undone_unasked(gateway: Gateway, stores: Origin) -> None:
    """Google undoes gzip for who does not take it, and then no size holds: so it is asked for as it is stored."""
    stores.serve("/public/a.txt", File(gzip.compress(b"text"), encoding="gzip"))
    assert codes(gateway, "gs://public/a.txt") == ["content_encoded"]
    decoded = members(gateway, entries=[{"url": "gs://public/a.txt", "decode": True}])
    assert decoded == {"a.txt": b"text"}
    assert all("x-goog" not in request.target.lower() for request in stores.requests("/public/a.txt"))


def test_azure_prefix_is_packed(gateway: Gateway, azure: AzureAccount, stores: Origin) -> None:
    """Each request shows a signature that its key made; folders, names that XML cannot hold, and an archived blob."""

    def listed(request: Request) -> Answer:
        first = blob("a/1&amp;.txt", 3) + blob("a/dir", 0, "<ResourceType>directory</ResourceType>")
        last = blob("a/cold.bin", 7, "<AccessTier>Archive</AccessTier>") + blob("a/large", len(LARGE))
        return Status(200, (), BLOBS.format(*((last, "") if "marker" in asked(request) else (first, "2!8"))).encode())

    cold = Status(409, (), "\ufeff<?xml version='1.0'?><Error><Code>BlobArchived</Code></Error>".encode())
    stores.serve("/studio/films/a/1%26.txt", azure.guarded("films", lambda _: File(b"one")))
    stores.serve("/studio/films/a/cold.bin", azure.guarded("films", lambda _: cold))
    stores.serve("/studio/films/a/large", azure.guarded("films", lambda _: File(LARGE, if_range=False)))
    stores.serve("/studio/films", azure.guarded("films", listed))
    hash = gateway.create(urls=["az://films/a/"])["archive_hash"]
    with zipfile.ZipFile(BytesIO(gateway.download(hash))) as archive:
        assert archive.namelist() == ["1&.txt", "dir/", "large", "archive-report.json"]
        assert archive.read("large") == bytes(LARGE[:])
    assert [each["code"] for each in gateway.left_out(hash)] == ["cold_storage"]
    assert all("x-ms-version" in request.fields for request in stores.requests("/studio/films/a/large"))


@pytest.mark.parametrize(
    ("url", "path"),
    [("gs://locked/a.txt", "/locked/a.txt"), ("az://locked/a.txt", "/studio/locked/a.txt")],
)
def test_wrong_keys_of_either_are_said_to_be_wrong(
    gateway: Gateway, google: GoogleAccount, azure: AzureAccount, stores: Origin, url: str, path: str
) -> None:
    """The entry and the list have the same code; no secret is told."""
    guarded = google.guarded if url.startswith("gs") else lambda choose: azure.guarded("locked", choose)
    for each in (path, "/locked/", "/studio/locked"):
        stores.serve(each, guarded(lambda _: File(b"secret")))
    assert codes(gateway, url) == ["bad_credentials"]
    listing = gateway.client.post("/api/archive/create", json={"urls": [url.removesuffix("a.txt")]})
    assert (listing.status_code, listing.json()["code"]) == (502, "listing_failed")
    assert "bad_credentials" in listing.json()["detail"] and "sig" not in listing.text


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (409, "<Code>BlobBeingRehydrated</Code>", "cold_storage"),
        (409, "<Code>PublicAccessNotPermitted</Code>", "access_denied"),
        (404, "<Code>BlobNotFound</Code>", "http_404"),
        (404, "<Code>ContainerNotFound</Code>", "no_bucket"),
        (307, "", "wrong_region"),
    ],
)
def test_refusal_of_azure_has_the_code_of_its_reason(
    gateway: Gateway, stores: Origin, origin: Origin, status: int, said: str, code: str
) -> None:
    """What its XML says decides; a redirect is not followed."""
    path = f"/{code}-{status}"
    fields = (("Location", origin.url(path)),) if status < 400 else ()
    refusal = Status(status, fields, f"<Error>{said}</Error>".encode())
    stores.serve(f"/studio/films{path}", refusal)
    assert codes(gateway, f"az://films{path}") == [code]
    assert not origin.requests(path)


def test_signature_that_ends_in_mid_download_is_made_anew(
    gateway: Gateway, azure: AzureAccount, stores: Origin
) -> None:
    """The pull goes on where it ended, after a refusal and after a wish for fewer requests."""
    body = Pattern(1 << 20)
    late = b"<Error><Code>AuthenticationFailed</Code>Signature not valid in the specified time frame</Error>"
    busy = Status(503, (), b"<Error><Code>ServerBusy</Code></Error>")
    answers: list[Answer] = [File(body), File(body, cut_at=600_000), Status(403, (), late), busy]
    stores.serve("/studio/films/long.bin", azure.guarded("films", lambda _: answers.pop(0) if answers else File(body)))
    assert members(gateway, urls=["az://films/long.bin"]) == {"long.bin": bytes(body[:])}
    assert stores.requests("/studio/films/long.bin")[-1].fields["range"].startswith("bytes=6")


@pytest.mark.parametrize("url", ["gs://another/a", "az://maps/a", "gs://films/a", "s3://maps/a", "gs://maps/a b"])
def test_bucket_of_another_store_is_none(gateway: Gateway, url: str) -> None:
    """A bucket is known by its store and its name; nothing is kept of a create that names another."""
    answer = gateway.client.post("/api/archive/create", json={"urls": [url]})
    assert answer.status_code == 422
