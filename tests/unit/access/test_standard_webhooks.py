"""Webhook signatures: what the reference library accepts, and nothing that was changed."""

import base64
import json
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from streamzip.access.standard_webhooks import WebhookSecrets

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()
BODY = json.dumps({"type": "archive.completed", "name": "für alle"}, ensure_ascii=False).encode()


def fields(secrets: str, *, id: str = "msg_1", at: float | None = None, body: bytes = BODY) -> dict[str, str]:
    timestamp = int(time.time() if at is None else at)
    signature = WebhookSecrets.parse(secrets).signature(id, timestamp, body)
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def test_signature_is_the_specifications_own() -> None:
    """The vector of the reference library's tests."""
    signature = WebhookSecrets.parse(SECRET).signature(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secrets", [SECRET, f"{SECRET}, {OTHER}", f"{OTHER},{SECRET}", SECRET.removeprefix("whsec_")])
def test_reference_verifier_accepts_what_any_of_the_secrets_signed(secrets: str) -> None:
    """While a secret is replaced, receivers may know either; the prefix may be left out."""
    assert Webhook(SECRET).verify(BODY, fields(secrets)) == json.loads(BODY)


def test_reference_verifier_refuses_what_was_changed() -> None:
    """Every single byte of the body counts, and the id, the time and the secret."""
    good = fields(SECRET)
    for place in range(len(BODY)):
        body = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, good)
    changes = (
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)},
        {"webhook-signature": fields(OTHER)["webhook-signature"]},
    )
    for change in changes:
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(BODY, good | change)


@pytest.mark.parametrize("late", [-301, 301])
def test_reference_verifier_refuses_a_replay(late: float) -> None:
    """Five minutes after (or before) its attempt a message is worth nothing."""
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY, fields(SECRET, at=time.time() + late))


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!", "whsec_c2hvcnQ=", f"{SECRET},", "hunter2-is-no-base64"])
def test_secrets_refuse_what_is_none_without_showing_it(text: str) -> None:
    """An empty, short or misspelt secret is refused at the start, and not repeated in the message."""
    with pytest.raises(ValueError, match="a webhook secret") as caught:
        WebhookSecrets.parse(text)
    assert "hunter2" not in str(caught.value)
