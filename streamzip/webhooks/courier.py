"""One attempt to deliver one event: signed, posted, and its answer judged. Nothing is remembered here."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from streamzip.access.keyring import KeyRing
from streamzip.access.standard_webhooks import WebhookSecrets
from streamzip.clock import Clock
from streamzip.net.addresses import BlockedAddressError
from streamzip.net.errors import NotHttp, TimedOut, TransportError
from streamzip.net.port import Stream, Transport
from streamzip.net.retry import retry_after
from streamzip.origins.fetch import own_name, written
from streamzip.store.rows import DeliveryRow

ANSWERS_WITHIN = 20.0  # seconds from the name's lookup to the end of the answer; the specification has 15 to 30
MOST_ANSWER = 64 << 10  # bytes of an answer that are read, so that its connection can be used again
LONGEST_RETRY_AFTER = 24 * 3600.0

Fate = Literal["delivered", "again", "gone", "refused"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `code` is public: http_NNN, timed_out, unreachable, bad_answer, blocked_address.

    `retry_after`: seconds that the receiver asked for.
    """

    fate: Fate
    code: str
    retry_after: float | None = None


class Courier:
    """`trusted` is the way to the operator's own receiver, which may have a private address; `transport` that to all
    others. `secrets` sign for the operator's; each of the others has its own, derived from `keys`.
    """

    def __init__(
        self,
        transport: Transport,
        trusted: Transport,
        secrets: WebhookSecrets,
        keys: KeyRing,
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._trusted = trusted
        self._secrets = secrets
        self._keys = keys
        self._clock = clock

    async def deliver(self, delivery: DeliveryRow) -> Outcome:
        """Make an attempt; it ends within ANSWERS_WITHIN."""
        transport = self._trusted if delivery.predefined else self._transport
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                answer = await transport.post(written(delivery.url), self._fields(delivery), delivery.body)
        except BlockedAddressError:
            return Outcome("refused", "blocked_address")
        except (TimeoutError, TimedOut):
            return Outcome("again", "timed_out")
        except NotHttp:
            return Outcome("again", "bad_answer")
        except (TransportError, OSError):
            return Outcome("again", "unreachable")
        await _read_little(answer.stream)
        return self._judged(answer.status, answer.fields)

    def _fields(self, delivery: DeliveryRow) -> list[tuple[str, str]]:
        timestamp = int(self._clock.wall())
        named = WebhookSecrets.of_receiver(self._keys, delivery.owner, delivery.url)
        secrets = self._secrets if delivery.predefined else named
        return [
            ("User-Agent", own_name()),
            ("Content-Type", "application/json"),
            ("webhook-id", delivery.id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", secrets.signature(delivery.id, timestamp, delivery.body)),
        ]

    def _judged(self, status: int, fields: Iterable[tuple[bytes, bytes]]) -> Outcome:
        code = f"http_{status}"
        if 200 <= status < 300:
            return Outcome("delivered", code)
        if status == 410:
            return Outcome("gone", code)
        asked = next((value for name, value in fields if name.lower() == b"retry-after"), b"").decode("latin-1")
        wait = retry_after(asked, self._clock.wall(), longest=LONGEST_RETRY_AFTER)
        return Outcome("again", code, wait)


async def _read_little(stream: Stream) -> None:
    """Take a small answer off the connection. The status has come: whatever is wrong with the rest changes nothing."""
    read = 0
    try:
        with contextlib.suppress(TransportError, TimeoutError):
            async with asyncio.timeout(1.0):
                async for chunk in stream:
                    read += len(chunk)
                    if read > MOST_ANSWER:
                        return
    finally:
        await stream.aclose()
