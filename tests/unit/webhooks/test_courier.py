"""One attempt against a real socket: what is sent, and what each answer means."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from streamzip.access.keyring import KeyRing
from streamzip.access.standard_webhooks import WebhookSecrets
from streamzip.clock import SystemClock
from streamzip.net.addresses import DialGuard
from streamzip.net.transport import OriginTransport
from streamzip.store.rows import DeliveryRow
from streamzip.webhooks import courier
from streamzip.webhooks.courier import Courier, Outcome
from tests.support.receiver import SECRET, Receiver, Reply

RING = KeyRing.parse("k:the secret of the ring")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def sender(receiver: Receiver) -> AsyncIterator[Courier]:
    """The receiver is the operator's own; clients' receivers are judged."""

    def way(*allow: str) -> OriginTransport:
        return OriginTransport(DialGuard(frozenset(allow)), connect_timeout=5.0, read_timeout=5.0)

    judged, trusted = way(), way(receiver.authority)
    yield Courier(judged, trusted, WebhookSecrets.parse(SECRET), RING, SystemClock())
    await judged.aclose()
    await trusted.aclose()


def a_delivery(url: str, *, predefined: bool = True) -> DeliveryRow:
    body = '{"name": "für alle"}'.encode()
    return DeliveryRow("msg_1", "a" * 32, "t", url, "r", predefined, body, "queued", 0, 0.0, 0.0, None)


async def test_message_is_accepted_by_the_reference_verifier(sender: Courier, receiver: Receiver) -> None:
    """Its headers and its body, as they arrive."""
    assert await sender.deliver(a_delivery(receiver.url("/ä?token=1"))) == Outcome("delivered", "http_204")
    message = receiver.next("/%C3%A4?token=1")
    assert message.verified() == {"name": "für alle"}
    assert message.id == "msg_1"
    assert message.fields["content-type"] == "application/json"
    assert message.fields["user-agent"].startswith("streamzip/")
    told = {"host", "user-agent", "content-type", "content-length", "accept-encoding"}
    assert {name for name in message.fields if not name.startswith("webhook-")} == told


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(200, body=b"thanks"), Outcome("delivered", "http_200")),
        (Reply(202, endless=True), Outcome("delivered", "http_202")),
        (Reply(301, (("Location", "/elsewhere"),)), Outcome("again", "http_301")),
        (Reply(307, (("Location", "/elsewhere"),)), Outcome("again", "http_307")),
        (Reply(400), Outcome("again", "http_400")),
        (Reply(410), Outcome("gone", "http_410")),
        (Reply(429, (("Retry-After", "7200"),)), Outcome("again", "http_429", 7200.0)),
        (Reply(503, (("Retry-After", "99999999"),)), Outcome("again", "http_503", 86400.0)),
        (Reply(503, (("Retry-After", "soon"),)), Outcome("again", "http_503")),
    ],
)
async def test_answers_mean_what_the_specification_says(
    sender: Courier, receiver: Receiver, reply: Reply, outcome: Outcome
) -> None:
    """2xx is an acknowledgement, however long its body; 410 a farewell; a redirect is not followed."""
    receiver.answer("/hook", reply)
    assert await sender.deliver(a_delivery(receiver.url())) == outcome
    assert receiver.messages("/elsewhere") == []


async def test_receiver_of_a_client_is_not_dialled_when_its_address_is_private(
    sender: Courier, receiver: Receiver
) -> None:
    """The exemption is the predefined receiver's alone, also at its very address."""
    outcome = await sender.deliver(a_delivery(receiver.url(), predefined=False))
    assert outcome == Outcome("refused", "blocked_address")
    assert receiver.messages() == []


async def test_attempt_ends_when_the_receiver_stays_silent(
    sender: Courier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole exchange has a deadline."""
    monkeypatch.setattr(courier, "ANSWERS_WITHIN", 0.05)
    receiver.answer("/hook", Reply(held=True))
    async with asyncio.timeout(5):
        assert await sender.deliver(a_delivery(receiver.url())) == Outcome("again", "timed_out")


async def test_attempt_fails_when_nobody_listens(sender: Courier, receiver: Receiver) -> None:
    """A receiver that is away may come back."""
    receiver.close()
    assert await sender.deliver(a_delivery(receiver.url())) == Outcome("again", "unreachable")
