"""Prefixes as they are listed: the logic alone, over a router of respx instead of sockets."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from streamzip.buckets.refusals import explain
from streamzip.buckets.store import ATTEMPTS, Objects
from streamzip.errors import BuildFailed, InvalidRequest, OriginError, TooLarge
from streamzip.listed_buckets import parse_bucket
from streamzip.manifest.parse import CreateRequest, Limits, parse_create
from streamzip.net.httpx_transport import HttpxTransport
from streamzip.origins.answers import Head
from streamzip.origins.fetch import Fetcher
from streamzip.origins.gate import Gate
from streamzip.origins.http import HttpSource
from streamzip.origins.pull import Patience
from streamzip.origins.rewritten import Address

LIMITS = Limits(max_entries=4)
BASE = "https://store.example/photos/"
SOURCE = "s3://photos?endpoint=https://store.example&region=r&key=web"


class Signed:
    """A signer of no bucket, which lacks its credentials for the next `lacking` attempts."""

    lacking = 0

    async def signed(self, url: str) -> Address:
        """Return what a test can see. Raises OriginError while it lacks credentials."""
        if self.lacking:
            self.lacking -= 1
            raise OriginError("no_credentials", "none at present", transient=True)
        return Address(url, (("Authorization", "signed"),))

    def prove(self) -> None:
        """Return at once."""


@pytest.fixture
def router() -> respx.Router:
    """The bucket's endpoint."""
    return respx.Router(assert_all_called=False)


@pytest.fixture
def signer() -> Signed:
    """The signer of `photos`."""
    return Signed()


@pytest.fixture
async def objects(router: respx.Router, signer: Signed) -> AsyncIterator[Objects]:
    """A bucket that the API key `web` may use, and what it lists is what the router answers."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)) as client:
        gate = Gate(32, patience=0.1)
        fetcher = Fetcher(HttpxTransport(client), allow=frozenset(), gate=gate, explain=explain, redirects=0)
        buckets = [
            parse_bucket(SOURCE),
            parse_bucket("s3://kept?endpoint=https://store.example&region=r&versions=pinned"),
        ]
        yield Objects(buckets, {"s3://photos": signer, "s3://kept": Signed()}, HttpSource(fetcher), LIMITS)


def test_objects_are_counted_by_the_endpoint_that_is_dialled(objects: Objects) -> None:
    """All buckets of one endpoint together; a bucket that is listed no more has none, and fails when it is pulled."""
    origins = [
        objects.origin(f"s3://{name}") for name in ("photos/a.jpg", "kept/b%20.jpg?versionId=1", "gone/a.jpg", "")
    ]
    assert origins == ["store.example:443", "store.example:443", "s3:", "s3:"]


def asked(*urls: str, owner: str | None = "web") -> CreateRequest:
    return parse_create(json.dumps({"urls": urls}).encode(), LIMITS, owner=owner)


def page(*keys: str, more: str = "", kind: str = "Contents") -> httpx.Response:
    rows = "".join(f"<{kind}><Key>{key}</Key><Size>3</Size><ETag>&quot;e&quot;</ETag></{kind}>" for key in keys)
    end = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{more}</NextContinuationToken>" if more else ""
    root = f'<ListBucketResult xmlns="x"><EncodingType>url</EncodingType>{rows}{end}</ListBucketResult>'
    return httpx.Response(200, content=root.encode())


async def names(objects: Objects, *urls: str) -> list[str]:
    return [entry.name for entry in (await objects.expanded(asked(*urls))).manifest.entries]


async def test_prefix_is_listed_page_by_page(objects: Objects, router: respx.Router) -> None:
    """Each page is signed; the next is asked for with what the last one said."""
    pages = router.get(BASE).mock(side_effect=[page("a/1", "a/x%2B+y", more="t+/"), page("a/2")])
    assert await names(objects, "s3://photos/a/") == ["1", "x+ y", "2"]
    first, second = (call.request for call in pages.calls)
    assert first.url.query == b"encoding-type=url&list-type=2&max-keys=1000&prefix=a%2F"
    assert second.url.query == first.url.query + b"&continuation-token=t%2B%2F"
    assert second.headers["authorization"] == "signed"


async def test_bucket_of_another_key_is_as_good_as_none(objects: Objects) -> None:
    """Who may not use a bucket cannot tell whether it is there."""
    refusals = []
    for url, owner in (("s3://photos/a", "other"), ("s3://none/a", "web")):
        with pytest.raises(InvalidRequest) as refused:
            await objects.expanded(asked(url, owner=owner))
        refusals.append(refused.value.detail)
    assert refusals[0] == refusals[1]
    assert await names(objects, "s3://photos/a") == ["a"]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([page("a/1", "a/2", "a/3", "a/4", "a/5")], "at most 4"),
        ([page("b/1")], "not asked for"),
        ([httpx.Response(200, content=b"<html>")], "cannot be read"),
        ([httpx.Response(200, content=b"<html></html>")], "something else than a list"),
        ([httpx.Response(200, content=b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>')], "document type"),
        ([httpx.Response(200, content=b" " * (9 << 20))], "longer than 8 MiB"),
        ([httpx.Response(403, content=b"<Error><Code>AccessDenied</Code></Error>")], "access_denied"),
        ([httpx.Response(404)], "http_404"),
        ([page()], "no object lies below"),
        ([page("a/")], "no object lies below"),
        ([page("a/1", more="x"), httpx.Response(200, content=b"<a/>")], "something else"),
    ],
)
async def test_list_that_cannot_be_had_keeps_nothing(
    objects: Objects, router: respx.Router, answers: list[httpx.Response], told: str
) -> None:
    """Too many objects, another program's answer, a refusal: one sentence says which."""
    router.get(BASE).mock(side_effect=answers)
    with pytest.raises((TooLarge, BuildFailed, InvalidRequest), match=told):
        await objects.expanded(asked("s3://photos/a/"))


@pytest.mark.parametrize("lacking", [1, ATTEMPTS])
async def test_list_without_credentials_is_tried_again_and_then_refused(
    objects: Objects, signer: Signed, router: respx.Router, lacking: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials that are renewed come back; those that do not are the answer's reason, and no fault of ours."""
    monkeypatch.setattr(Patience, "delay", lambda *_: 0.0)
    router.get(BASE).mock(return_value=page("a/1"))
    signer.lacking = lacking
    if lacking < ATTEMPTS:
        assert await names(objects, "s3://photos/a/") == ["1"]
        return
    with pytest.raises(BuildFailed, match="no_credentials") as refused:
        await objects.expanded(asked("s3://photos/a/"))
    assert refused.value.code == "listing_failed"


async def test_names_are_made_unique_after_prefixes_are_listed(objects: Objects, router: respx.Router) -> None:
    """What was renamed is told by its place in the archive."""
    router.get(BASE).mock(return_value=page("a/1", "a/b/"))
    request = await objects.expanded(asked("https://web.example/1", "s3://photos/a/", "s3://photos/x"))
    assert [entry.name for entry in request.manifest.entries] == ["1", "1 (2)", "b", "x"]
    assert [(each.index, each.requested, each.name) for each in request.renamed][:1] == [(1, "1", "1 (2)")]


async def test_version_of_an_object_takes_one_question(objects: Objects, router: respx.Router) -> None:
    """Also of one that was deleted: its older versions may be many, and none of them is meant."""
    answers = [
        "<IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><DeleteMarker><Key>a</Key></DeleteMarker>",
        "<Version><Key>a</Key><Size>1</Size><VersionId>v2</VersionId><IsLatest>true</IsLatest></Version>",
        "<Version><Key>ab</Key><Size>1</Size><VersionId>v3</VersionId><IsLatest>true</IsLatest></Version>",
    ]
    asked_for = router.get("https://store.example/kept/").mock(
        side_effect=[httpx.Response(200, text=f"<ListVersionsResult>{each}</ListVersionsResult>") for each in answers]
    )
    found = [(await objects.expanded(asked("s3://kept/a"))).manifest.entries[0].url for _ in answers]
    assert found == ["s3://kept/a", "s3://kept/a?versionId=v2", "s3://kept/a"]
    assert asked_for.call_count == 3


async def test_object_that_leads_out_of_its_bucket_is_never_asked_for(objects: Objects, router: respx.Router) -> None:
    """A list may hold a key with `..`: a server that resolves it would read another bucket by our credentials."""
    router.get(BASE).mock(return_value=page("a/../../other/k"))
    entry = (await objects.expanded(asked("s3://photos/a/"))).manifest.entries[0]
    assert entry.size is None  # so that it is asked for before anything is promised
    with pytest.raises(OriginError) as refused:
        await objects.address(entry.url)
    assert refused.value.code == "unsafe_url"


@pytest.mark.parametrize(
    ("body", "code", "transient"),
    [
        ("<Code>AuthenticationFailed</Code>", "bad_credentials", False),
        (
            "<Code>AuthenticationFailed</Code><AuthenticationErrorDetail>Signature not valid in the specified time "
            "frame: Start [a] - Expiry [b]</AuthenticationErrorDetail>",
            "credentials_expired",
            True,
        ),
        ("<Code>AuthorizationPermissionMismatch</Code>", "access_denied", False),
        ("<Code>UserProjectMissing</Code>", "access_denied", False),
        ("<Code>WhoKnows</Code>", "http_403", False),
    ],
)
def test_refusals_of_google_and_azure_are_told_apart(body: str, code: str, transient: bool) -> None:
    """A signature that ended is none that is wrong: Azure has one code for both."""
    explained = explain(OriginError("http_403", ""), Head(403, ()), f"<Error>{body}</Error>".encode())
    assert (explained.code, explained.transient) == (code, transient)
