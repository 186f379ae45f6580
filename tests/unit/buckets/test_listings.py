"""Lists as Google and Azure write them: read whole, bounded, and page by page."""

import pytest

from streamzip.buckets.documents import DEEPEST, read_document
from streamzip.buckets.listing_azure import AZURE
from streamzip.buckets.listing_s3 import GOOGLE
from streamzip.buckets.pages import Listed

# As "List Blobs" shows it, with the parts that are read; the first name holds what XML cannot.
BLOBS = """\ufeff<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="https://studio.blob.core.windows.net/" ContainerName="films">
  <Prefix>a/</Prefix><MaxResults>2000</MaxResults>
  <Blobs>
    <Blob><Name Encoded="true">a/b%26%EF%BF%BF</Name><VersionId>2026-01-01T00:00:00.1Z</VersionId>
      <IsCurrentVersion>true</IsCurrentVersion>
      <Properties><Last-Modified>Mon, 01 Jun 2026 10:00:00 GMT</Last-Modified><Etag>0x8D</Etag>
        <Content-Length>5</Content-Length><AccessTier>Archive</AccessTier></Properties><OrMetadata /></Blob>
    <Blob><Name>a/b&amp;</Name><VersionId>2025-01-01T00:00:00.1Z</VersionId>
      <Properties><Content-Length>4</Content-Length><Etag>0x8C</Etag></Properties></Blob>
    <Blob><Name>a/deep</Name><Properties><ResourceType>directory</ResourceType></Properties></Blob>
  </Blobs>
  <NextMarker>2!92!MDAw/+</NextMarker>
</EnumerationResults>"""
OBJECTS = """<?xml version='1.0' encoding='UTF-8'?>
<ListBucketResult xmlns='http://doc.s3.amazonaws.com/2006-03-01'><Name>maps</Name><IsTruncated>false</IsTruncated>
<Contents><Key>a/b</Key><Generation>1780000000000001</Generation><MetaGeneration>1</MetaGeneration>
<LastModified>2026-06-01T10:00:00.000Z</LastModified><ETag>"e"</ETag><Size>5</Size></Contents></ListBucketResult>"""


def test_azure_list_is_read() -> None:
    """Names, sizes, tiers and folders; of a blob's versions its current one; and where it goes on."""
    query = AZURE.first("a/", True)
    assert query == "restype=container&comp=list&maxresults=2000&prefix=a%2F&include=versions"
    page = AZURE.read(BLOBS.encode(), query)
    assert page.objects == (
        Listed("a/b&\uffff", 5, "0x8D", 1_780_308_000, "2026-01-01T00:00:00.1Z", True),
        Listed("a/deep", 0, "", None, None, False, is_folder=True),
    )
    assert page.following == f"{query}&marker=2%2192%21MDAw%2F%2B"
    last = AZURE.read(BLOBS.replace("2!92!MDAw/+", "").encode(), page.following)
    assert last.following is None


@pytest.mark.parametrize("date", ["", "now", "Mon, 32 Jun 2026 10:00:00 GMT", f"Mon, 01 Jun {'9' * 11} 10:00:00 GMT"])
def test_azure_list_is_read_although_a_date_is_none(date: str) -> None:
    """What cannot be read as a time is not known; the object is as good."""
    page = AZURE.read(BLOBS.replace("Mon, 01 Jun 2026 10:00:00 GMT", date).encode(), AZURE.first("a/", True))
    assert [each.modified for each in page.objects] == [None, None]


def test_google_list_tells_the_generations() -> None:
    """They come with every list, so that pinning costs no question more."""
    page = GOOGLE.read(OBJECTS.encode(), GOOGLE.first("a/", True))
    assert page.objects == (Listed("a/b", 5, '"e"', 1_780_308_000, "1780000000000001", False),)
    assert GOOGLE.newest("a/b").endswith("list-type=2&max-keys=1&prefix=a%2Fb")


@pytest.mark.parametrize(
    "body",
    [
        *("", "<html>", "<a/>", BLOBS.replace(">5<", ">-5<"), BLOBS.replace(">5<", f">{'9' * 19}<")),
        *(BLOBS.replace("<Name>a/deep</Name>", ""), BLOBS.replace("<Content-Length>5</Content-Length>", "")),
        *(
            BLOBS.replace("%26%EF", "%FF%EF"),
            '<!DOCTYPE a [<!ENTITY e "x">]><EnumerationResults>&e;</EnumerationResults>',
        ),
        "<EnumerationResults>" + "<Blobs>" * 50,
    ],
)
def test_azure_list_that_is_none_is_refused(body: str) -> None:
    """Another program's answer is no empty list."""
    with pytest.raises(ValueError, match="container"):
        AZURE.read(body.encode(), AZURE.first("", False))


def test_document_is_read_to_a_bounded_depth() -> None:
    """What lies deeper than in any list is refused before its names grow with the square of it."""
    with pytest.raises(ValueError, match="deeper"):
        read_document(b"<a><b>" + b"<c>" * DEEPEST, [("b",)])


def test_google_list_that_goes_on_nowhere_is_refused() -> None:
    """What follows it would be missing from the archive, and nobody would know."""
    body = OBJECTS.replace("<IsTruncated>false", "<IsTruncated>true")
    with pytest.raises(ValueError, match="without saying where"):
        GOOGLE.read(body.encode(), GOOGLE.first("a/", True))
