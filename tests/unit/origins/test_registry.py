"""Which source answers for a URL."""

from typing import cast

import pytest

from streamzip.errors import OriginError
from streamzip.origins.http import HttpSource
from streamzip.origins.registry import Registry
from streamzip.uploads.source import UploadSource

HTTP = cast(HttpSource, object())
UPLOAD = cast(UploadSource, object())


@pytest.mark.parametrize("url", ["http://a/b", "https://a/b", "HTTPS://a/b"])
def test_registry_gives_web_urls_to_the_web(url: str) -> None:
    """The scheme decides, in whatever case it is written."""
    assert Registry(HTTP, {"upload": UPLOAD}).for_url(url) is HTTP


def test_registry_gives_uploaded_files_to_their_source() -> None:
    """They have one origin together."""
    registry = Registry(HTTP, {"upload": UPLOAD})
    assert registry.for_url("upload:a.txt") is UPLOAD
    assert registry.origin("upload:a.txt") == registry.origin("upload:b.txt")


@pytest.mark.parametrize("url", ["ftp://a/b", "file:///etc/passwd", "a", ""])
def test_registry_refuses_when_no_source_knows_the_scheme(url: str) -> None:
    """There is no default source: what nobody knows is unsafe."""
    with pytest.raises(OriginError) as caught:
        Registry(HTTP, {"upload": UPLOAD}).for_url(url)
    assert (caught.value.code, caught.value.transient) == ("unsafe_url", False)
    assert Registry(HTTP, {"upload": UPLOAD}).origin(url) == Registry(HTTP, {}).origin(url)
