"""Signatures of webhooks as Standard Webhooks has them, so that receivers verify them with its libraries.

    webhook-signature: v1,<base64 of HMAC-SHA256(secret, "<webhook-id>.<webhook-timestamp>.<body>")>

A secret is written `whsec_` and base64. Of several each makes a signature: while one is being replaced, receivers may
know either.
"""

import base64
import binascii
import hashlib
import hmac

from streamzip.access.keyring import KeyRing

PREFIX = "whsec_"
_LEAST = 16  # bytes; the specification generates 24 to 64, and what is shorter than this can be searched for


class WebhookSecrets:
    """The secrets that sign, the new one first."""

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self._secrets = secrets

    @classmethod
    def parse(cls, text: str) -> "WebhookSecrets":
        """Read secrets, apart by commas. Raises ValueError, its text without any secret."""
        return cls(tuple(_secret(word.strip()) for word in text.split(",")))

    @classmethod
    def of_receiver(cls, ring: KeyRing, owner: str | None, url: str) -> "WebhookSecrets":
        """Return the secrets of a receiver that a client named, which nobody else's receiver knows.

        `owner`: the client's API key's name. They are derived from the ring, so nothing of them is stored.
        """
        return cls(tuple(ring.derived("webhook receiver", "" if owner is None else f"key {owner}", url)))

    @property
    def current(self) -> str:
        """Return the one that a receiver is to be given, as it is written."""
        return PREFIX + base64.b64encode(self._secrets[0]).decode()

    def fingerprints(self) -> dict[str, str]:
        """Return what tells each secret from another one and gives nothing of it away, under its own beginning."""
        found = [hmac.digest(secret, b"streamzip fingerprint", hashlib.sha256).hex() for secret in self._secrets]
        return {fingerprint[:8]: fingerprint for fingerprint in found}

    def signature(self, id: str, timestamp: int, body: bytes) -> str:
        """Return the `webhook-signature` of a message. `timestamp`: epoch seconds of this attempt."""
        signed = f"{id}.{timestamp}.".encode() + body
        codes = (hmac.digest(secret, signed, hashlib.sha256) for secret in self._secrets)
        return " ".join(f"v1,{base64.b64encode(code).decode()}" for code in codes)


def _secret(word: str) -> bytes:
    try:
        secret = base64.b64decode(word.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"a webhook secret is written as {PREFIX} and base64") from error
    if len(secret) < _LEAST:
        raise ValueError(f"a webhook secret has at least {_LEAST} bytes")
    return secret
