"""Which source answers for a URL, and what its connections are counted by."""

from typing import cast

import pytest

from streamzip.dropins.upstream import FileServer, ListedObjects
from streamzip.errors import OriginError
from streamzip.origins.fetch import Fetcher
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Source
from streamzip.origins.registry import Registry
from streamzip.origins.rewritten import Address, RewrittenSource
from streamzip.uploads.port import Uploads
from streamzip.uploads.source import UploadSource


class Buckets:
    """Buckets that each have a host."""

    def origin(self, url: str) -> str:
        """Return the bucket's host."""
        return f"{url.removeprefix('s3://').partition('/')[0]}.store.example:443"

    async def address(self, url: str) -> Address:
        """Nobody asks for it."""
        raise NotImplementedError


HTTP = HttpSource(cast(Fetcher, object()))
UPLOAD = UploadSource(cast(Uploads, object()))
OWN: dict[str, Source] = {
    "upload": UPLOAD,
    "s3": RewrittenSource(HTTP, Buckets()),
    "upstream-s3": RewrittenSource(HTTP, ListedObjects(Buckets())),
    "upstream": RewrittenSource(HTTP, FileServer("http://files.example:8080/base")),
}


@pytest.mark.parametrize("url", ["http://a/b", "https://a/b", "HTTPS://a/b"])
def test_registry_gives_web_urls_to_the_web(url: str) -> None:
    """The scheme decides, in whatever case it is written."""
    assert Registry(HTTP, OWN).for_url(url) is HTTP


def test_registry_gives_uploaded_files_to_their_source() -> None:
    """They have one origin together."""
    registry = Registry(HTTP, OWN)
    assert registry.for_url("upload:a.txt") is UPLOAD
    assert registry.origin("upload:a.txt") == registry.origin("upload:b.txt")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example/b", "a.example:443"),
        ("s3://one/a", "one.store.example:443"),
        ("s3://two/a", "two.store.example:443"),
        ("upstream-s3://one/a", "one.store.example:443"),
        ("upstream:/a/b", "files.example:8080"),
        ("gone:/a", "gone:"),
    ],
)
def test_registry_counts_connections_by_what_is_dialled(url: str, origin: str) -> None:
    """A host that throttles one bucket says nothing of another one's host; an own scheme is no host at all."""
    assert Registry(HTTP, OWN).origin(url) == origin


@pytest.mark.parametrize("url", ["ftp://a/b", "file:///etc/passwd", "a", ""])
def test_registry_refuses_when_no_source_knows_the_scheme(url: str) -> None:
    """There is no default source: what nobody knows is unsafe."""
    with pytest.raises(OriginError) as caught:
        Registry(HTTP, OWN).for_url(url)
    assert (caught.value.code, caught.value.transient) == ("unsafe_url", False)
    assert Registry(HTTP, OWN).origin(url) == Registry(HTTP, {}).origin(url)
