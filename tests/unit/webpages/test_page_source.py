"""Which archive a web page becomes: the logic alone, over a router of respx instead of sockets."""

from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from streamzip.errors import OriginError, UnusablePage
from streamzip.net.httpx_transport import HttpxTransport
from streamzip.origins.fetch import Fetcher
from streamzip.origins.gate import Gate
from streamzip.origins.http import HttpSource
from streamzip.webpages.downloads import PageSource

PAGE = "https://blog.example/post"
HTML = {"Content-Type": "text/html; charset=utf-8"}


@pytest.fixture
def router() -> respx.Router:
    """The hosts; a request that none of them knows fails the test."""
    return respx.Router(assert_all_called=False)


@pytest.fixture
async def source(router: respx.Router) -> AsyncIterator[PageSource]:
    """Pages of which the first three images are taken."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)) as client:
        http = HttpSource(Fetcher(HttpxTransport(client), allow=frozenset(), gate=Gate(32, patience=0.1)))
        yield PageSource(http, most=3, allow=frozenset())


async def test_the_images_are_those_of_where_the_redirects_end(router: respx.Router, source: PageSource) -> None:
    """Relative to there, the first ones, each once, under names of their own; the archive has that host's name.

    An image's own host is told the page, another one the page's origin alone, and no plain one is told of it.
    """
    body = "<img src=a.png><img src=a.png><img src=//cdn.example/a.png><img src=http://old.example/c.png><img src=d>"
    router.get(PAGE).respond(301, headers={"Location": "https://www.blog.example/2026/post"})
    found = router.get("https://www.blog.example/2026/post")
    found.respond(200, headers=HTML, text=body)
    manifest = await source.manifest(PAGE, "ann")
    assert [(entry.url, entry.name) for entry in manifest.entries] == [
        ("https://www.blog.example/2026/a.png", "a.png"),
        ("https://cdn.example/a.png", "a (2).png"),
        ("http://old.example/c.png", "c.png"),
    ]
    assert [dict(entry.headers).get("Referer") for entry in manifest.entries] == [
        "https://www.blog.example/2026/post",
        "https://www.blog.example/",
        None,
    ]
    assert (manifest.filename, manifest.owner) == ("www.blog.example.zip", "ann")
    assert len(router.calls) == 2, "an image was asked for, and not only named"


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        (httpx.Response(404), "http_404", False),
        (httpx.Response(503), "http_503", True),
        (httpx.Response(302, headers={"Location": "http://127.0.0.1/"}), "blocked_address", False),
        (httpx.ConnectError("away"), "unreachable", True),
        (httpx.ReadTimeout("slow"), "timed_out", True),
    ],
    ids=["gone", "busy", "private", "away", "silent"],
)
async def test_a_page_that_cannot_be_had_says_whether_it_may_pass(
    router: respx.Router, source: PageSource, answer: httpx.Response | Exception, code: str, transient: bool
) -> None:
    """The queue asks again for what may pass, and for nothing else."""
    route = router.get(PAGE)
    route.side_effect = answer if isinstance(answer, Exception) else [answer]
    with pytest.raises(OriginError) as failed:
        await source.manifest(PAGE, None)
    assert (failed.value.code, failed.value.transient) == (code, transient)


async def test_what_is_no_page_is_told_without_reading_it(router: respx.Router, source: PageSource) -> None:
    """A picture's link, pasted in place of the page's."""
    router.get(PAGE).respond(200, headers={"Content-Type": "image/png"}, content=b"\x89PNG")
    with pytest.raises(UnusablePage) as refused:
        await source.manifest(PAGE, None)
    assert refused.value.code == "not_html"
