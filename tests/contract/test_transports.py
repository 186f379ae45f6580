"""What a source needs of a transport, held by each of them: the fast one, and a client of httpx."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network

import httpx
import pytest

from streamzip.net.addresses import DialGuard
from streamzip.net.errors import HungUp, NotHttp, TimedOut, TransportError
from streamzip.net.httpx_transport import HttpxTransport
from streamzip.net.port import Transport
from streamzip.net.transport import OriginTransport
from tests.support.origin import File, HangUp, Origin, Pattern, Raw, Silence, Status, redirect

SILENT_FOR = 0.3


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture(params=["fast", "httpx"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    transport: Transport
    if request.param == "fast":
        guard = DialGuard(allow_networks=[ip_network("127.0.0.0/8")])
        transport = OriginTransport(guard, connect_timeout=SILENT_FOR, read_timeout=SILENT_FOR)
    else:
        client = httpx.AsyncClient(timeout=SILENT_FOR, trust_env=False, headers={"X-Own": "never sent"})
        transport = HttpxTransport(client, own=True)
    yield transport
    await transport.aclose()


async def test_a_request_goes_out_as_it_is_and_its_answer_comes_back(transport: Transport, origin: Origin) -> None:
    """The fields that are given and no others; names of the answer's fields in lower case; the body as it was sent."""
    origin.serve("/asked", File(Pattern(300_000), encoding="gzip", fields=(("X-Mixed", "Case"),)))
    answer = await transport.get(origin.url("/asked"), [("User-Agent", "test"), ("X-Range", "1")])
    assert answer.status == 200
    assert dict(answer.fields)[b"x-mixed"] == b"Case"
    assert not answer.stream.whole
    body = b"".join([bytes(chunk) async for chunk in answer.stream])
    assert (body, answer.stream.whole) == (Pattern(300_000)[:], True)
    await answer.stream.aclose()
    request = origin.requests("/asked")[-1]
    sent = {name: value for name, value in request.fields.items() if name != "host"}
    assert sent == {"user-agent": "test", "x-range": "1"}


async def test_redirects_and_refusals_are_answers(transport: Transport, origin: Origin) -> None:
    """Nothing is followed, and no status raises."""
    origin.serve("/moved", redirect("/asked"))
    origin.serve("/refused", Status(503))
    for path, status in (("/moved", 302), ("/refused", 503)):
        answer = await transport.get(origin.url(path), ())
        await answer.stream.aclose()
        assert answer.status == status


async def test_what_goes_wrong_is_raised_alike(transport: Transport, origin: Origin) -> None:
    """Each fault has its error: hung up, silent, no HTTP, nobody there, broken in the body."""
    origin.serve("/hangs-up", HangUp())
    origin.serve("/silent", Silence())
    origin.serve("/no-http", Raw(b"SSH-2.0-x\r\n\r\n"))
    origin.serve("/cut", File(Pattern(300_000), cut_at=1000))
    faults: list[tuple[str, type[Exception]]] = [
        ("/silent", TimedOut),
        ("/no-http", NotHttp),
    ]
    for path, error in faults:
        with pytest.raises(error):
            await transport.get(origin.url(path), ())
    with pytest.raises((HungUp, NotHttp)):
        await transport.get(origin.url("/hangs-up"), ())
    answer = await transport.get(origin.url("/cut"), ())
    with pytest.raises((HungUp, NotHttp)):
        async for _ in answer.stream:
            pass
    await answer.stream.aclose()
    with Origin() as gone:
        url = gone.url("/nobody")
    with pytest.raises(TransportError):
        await transport.get(url, ())


async def test_a_body_that_is_left_drops_its_connection(transport: Transport, origin: Origin) -> None:
    """Whoever leaves a body early holds nothing of the origin any more."""
    origin.serve("/long", File(Pattern(50_000_000)))
    answer = await transport.get(origin.url("/long"), ())
    await anext(answer.stream)
    await answer.stream.aclose()
    await asyncio.wait_for(origin.reached(lambda origin: origin.live == 0), 5)
