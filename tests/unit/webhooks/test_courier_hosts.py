"""What the courier makes of many named receivers: the logic alone, over routers of respx instead of sockets."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import respx

from streamzip.access.keyring import KeyRing
from streamzip.access.standard_webhooks import WebhookSecrets
from streamzip.net.httpx_transport import HttpxTransport
from streamzip.store.rows import DeliveryRow
from streamzip.webhooks.courier import Courier, Outcome
from tests.support.receiver import SECRET
from tests.unit.jobs.running import Clock

HOOK = "https://hooks.example/a"
BODY = json.dumps({"type": "archive.completed"}).encode()
DELIVERY = DeliveryRow("msg_1", "a" * 32, "t", HOOK, "ann", False, BODY, "queued", 0, 0.0, 0.0, None)


@pytest.fixture
def router() -> respx.Router:
    """The receivers that clients name; a request that none of them knows fails the test."""
    return respx.Router(assert_all_called=False)


@pytest.fixture
def operators() -> respx.Router:
    """The operator's own receiver, and the way to it."""
    return respx.Router(assert_all_called=False)


@pytest.fixture
async def courier(router: respx.Router, operators: respx.Router) -> AsyncIterator[Courier]:
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)) as judged,
        httpx.AsyncClient(transport=httpx.MockTransport(operators.async_handler)) as trusted,
    ):
        ways = HttpxTransport(judged), HttpxTransport(trusted)
        yield Courier(*ways, WebhookSecrets.parse(SECRET), KeyRing.parse("k:the ring's secret"), Clock())


async def test_only_the_operators_receiver_is_reached_by_the_trusted_way(
    router: respx.Router, operators: respx.Router, courier: Courier
) -> None:
    """The same URL, named by a client, goes the way that is judged; each has a secret of its own."""
    judged, trusted = router.post(HOOK).respond(204), operators.post(HOOK).respond(204)
    for delivery in (DELIVERY, replace(DELIVERY, predefined=True)):
        assert await courier.deliver(delivery) == Outcome("delivered", "http_204")
    assert (judged.call_count, trusted.call_count) == (1, 1)
    sent = [route.calls.last.request for route in (judged, trusted)]
    assert [request.content for request in sent] == [BODY, BODY]
    assert sent[0].headers["webhook-id"] == sent[1].headers["webhook-id"] == "msg_1"
    assert sent[0].headers["webhook-signature"] != sent[1].headers["webhook-signature"]


async def test_each_receiver_of_a_client_has_a_secret_of_its_own(router: respx.Router, courier: Courier) -> None:
    """One receiver cannot forge a message for another one, nor for the same URL of another owner."""
    route = router.post(url__regex=r"https://.*\.example/a").respond(200)
    for url, owner in ((HOOK, "ann"), ("https://other.example/a", "ann"), (HOOK, "bob"), (HOOK, "ann")):
        await courier.deliver(replace(DELIVERY, url=url, owner=owner))
    first, *others, again = [call.request.headers["webhook-signature"] for call in route.calls]
    assert first == again
    assert len({first, *others}) == 3


async def test_a_redirect_is_not_followed_to_another_host(router: respx.Router, courier: Courier) -> None:
    """The receiver was judged, and whoever it names was not: the message stays with it."""
    away = router.post("https://evil.example/").respond(200)
    router.post(HOOK).respond(307, headers={"Location": "https://evil.example/"})
    assert await courier.deliver(DELIVERY) == Outcome("again", "http_307")
    assert not away.called


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (httpx.ConnectTimeout("slow"), "timed_out"),
        (httpx.ReadTimeout("slow"), "timed_out"),
        (httpx.RemoteProtocolError("no HTTP"), "bad_answer"),
        (httpx.ConnectError("away"), "unreachable"),
        (httpx.ReadError("cut"), "unreachable"),
        (httpx.ProxyError("refused"), "unreachable"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
async def test_whatever_breaks_is_tried_again_under_a_code(
    router: respx.Router, courier: Courier, error: httpx.TransportError, code: str
) -> None:
    """No failure of the wire ends a delivery, and none of its words become public."""
    router.post(HOOK).mock(side_effect=error)
    assert await courier.deliver(DELIVERY) == Outcome("again", code)


@pytest.mark.parametrize(
    ("status", "asked", "outcome"),
    [
        (200, None, Outcome("delivered", "http_200")),
        (299, None, Outcome("delivered", "http_299")),
        (410, "60", Outcome("gone", "http_410")),
        (404, None, Outcome("again", "http_404")),
        (429, "60", Outcome("again", "http_429", 60.0)),
        (503, "-1", Outcome("again", "http_503")),
    ],
)
async def test_a_status_says_what_becomes_of_the_delivery(
    router: respx.Router, courier: Courier, status: int, asked: str | None, outcome: Outcome
) -> None:
    """2xx acknowledges, 410 ends it for good, all else is tried again, not before the receiver asked for."""
    router.post(HOOK).respond(status, headers={} if asked is None else {"Retry-After": asked})
    assert await courier.deliver(DELIVERY) == outcome
