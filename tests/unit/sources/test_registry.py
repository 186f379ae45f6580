"""Which source answers for a URL."""

from typing import cast

import pytest

from streamzip.errors import OriginError
from streamzip.sources.http import HttpSource
from streamzip.sources.registry import Registry

HTTP = cast(HttpSource, object())


@pytest.mark.parametrize("url", ["http://a/b", "https://a/b", "HTTPS://a/b"])
def test_registry_gives_web_urls_to_the_web(url: str) -> None:
    """The scheme decides, in whatever case it is written."""
    assert Registry(HTTP).for_url(url) is HTTP


@pytest.mark.parametrize("url", ["ftp://a/b", "file:///etc/passwd", "upload:a", "a", ""])
def test_registry_refuses_when_no_source_knows_the_scheme(url: str) -> None:
    """There is no default source: what nobody knows is unsafe."""
    with pytest.raises(OriginError) as caught:
        Registry(HTTP).for_url(url)
    assert (caught.value.code, caught.value.transient) == ("unsafe_url", False)
