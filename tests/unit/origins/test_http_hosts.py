"""What a source makes of answers of many named hosts: the logic alone, over a router of respx instead of sockets.

How origins frame and break their answers is judged on raw sockets, beside this file.
"""

from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from streamzip.errors import OriginError
from streamzip.net.httpx_transport import HttpxTransport
from streamzip.origins.fetch import Fetcher
from streamzip.origins.gate import Gate
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Validator

HOME = "https://files.example/a"
SECRET = (("Authorization", "Bearer secret"), ("X-Token", "t"))


@pytest.fixture
def router() -> respx.Router:
    """The hosts; a request that none of them knows fails the test."""
    return respx.Router(assert_all_called=False)


@pytest.fixture
async def source(router: respx.Router) -> AsyncIterator[HttpSource]:
    """A source whose requests the router answers."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)) as client:
        yield HttpSource(Fetcher(HttpxTransport(client), allow=frozenset(), gate=Gate(32, patience=0.1)))


def file(content: bytes = b"0123456789", etag: str = '"v1"') -> httpx.Response:
    """A whole file's answer."""
    return httpx.Response(200, content=content, headers={"ETag": etag})


def part(total: int = 10, etag: str = '"v1"') -> httpx.Response:
    """The answer to a range of one byte."""
    fields = {"ETag": etag, "Content-Range": f"bytes 0-0/{total}"}
    return httpx.Response(206, content=b"0", headers=fields)


def moved(to: str, code: int = 302) -> httpx.Response:
    return httpx.Response(code, headers={"Location": to})


@pytest.mark.parametrize(
    ("location", "keeps"),
    [
        ("https://files.example/b", True),
        ("/b", True),
        ("//files.example/b", True),
        ("https://files.example:443/b", True),
        ("http://files.example/b", False),  # the same host, in the clear
        ("https://files.example:8443/b", False),
        ("https://cdn.example/b", False),
        ("//cdn.example/b", False),
    ],
)
async def test_an_entry_s_fields_stay_with_its_own_origin(
    router: respx.Router, source: HttpSource, location: str, keeps: bool
) -> None:
    """Wherever a redirect leads, what the client gave for one origin goes to that one alone."""
    router.get(HOME).mock(return_value=moved(location))
    target = router.get(url__regex=r".*/b$").mock(return_value=part())
    await source.with_fields(SECRET).probe(HOME)
    sent = target.calls.last.request.headers
    assert ("x-token" in sent, "authorization" in sent) == (keeps, keeps)


async def test_fields_do_not_come_back_with_a_redirect_that_returns(router: respx.Router, source: HttpSource) -> None:
    """Another host chose that URL of the own origin: it must not be asked with the client's secret."""
    router.get(HOME).mock(return_value=moved("https://other.example/x"))
    router.get("https://other.example/x").mock(return_value=moved("https://files.example/admin"))
    admin = router.get("https://files.example/admin").mock(return_value=part())
    await source.with_fields(SECRET).probe(HOME)
    assert "authorization" not in admin.calls.last.request.headers


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.1/x", "blocked_address"),
        ("http://[::1]/x", "blocked_address"),
        ("http://169.254.169.254/latest", "blocked_address"),
        ("file:///etc/passwd", "unsafe_url"),
        ("https://user:password@files.example/x", "unsafe_url"),
    ],
)
async def test_a_redirect_is_judged_as_a_url_of_a_client(
    router: respx.Router, source: HttpSource, location: str, code: str
) -> None:
    """A public host may not lead to what a client may not name."""
    router.get(HOME).mock(return_value=moved(location))
    with pytest.raises(OriginError) as refused:
        await source.probe(HOME)
    assert refused.value.code == code
    assert len(router.calls) == 1


async def test_a_chain_of_redirects_has_an_end(router: respx.Router, source: HttpSource) -> None:
    """One that leads on for ever is given up; what it cost is known."""
    router.get(url__startswith="https://files.example/").mock(return_value=moved("/again"))
    with pytest.raises(OriginError) as refused:
        await source.probe(HOME)
    assert (refused.value.code, len(router.calls)) == ("too_many_redirects", 6)


async def test_a_pinned_version_is_asked_for_where_it_was_found(router: respx.Router, source: HttpSource) -> None:
    """A redirector that names another mirror each time: the one that gave the pinned version is stayed with."""
    mirrors = iter(["https://one.example/m", "https://two.example/m"])
    home = router.get(HOME).mock(side_effect=lambda _: moved(next(mirrors)))
    router.get("https://one.example/m").mock(side_effect=lambda _: part(etag='"one"'))
    two = router.get("https://two.example/m").mock(return_value=part(etag='"two"'))
    facts = await source.probe(HOME)
    assert facts.validator == Validator('"one"', strong=True)
    async with source.open(HOME, start=0, stop=1, pin=facts.validator) as opened:
        assert b"".join([bytes(chunk) async for chunk in opened.chunks]) == b"0"
    assert (home.call_count, two.call_count) == (1, 0)


@pytest.mark.parametrize(
    ("status", "transient"), [(401, False), (404, False), (410, False), (429, True), (500, True), (503, True)]
)
async def test_a_refusal_says_whether_it_may_pass(
    router: respx.Router, source: HttpSource, status: int, transient: bool
) -> None:
    """The code names the status; whether another attempt may go better follows from it."""
    router.get("https://files.example/refused").mock(return_value=httpx.Response(status))
    with pytest.raises(OriginError) as refused:
        async with source.open("https://files.example/refused", pin=None):
            pass
    assert (refused.value.code, refused.value.transient) == (f"http_{status}", transient)
