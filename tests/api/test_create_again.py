"""Create is idempotent, whatever the gateway's settings are."""

import pytest

from tests.support.fixtures import Launch
from tests.support.origin import File, Origin, Pattern
from tests.support.receiver import Receiver


def test_create_gives_the_same_archive_again_when_a_prefetch_has_no_copy_to_make(
    launch: Launch, origin: Origin
) -> None:
    """Where no copies are kept, a create that asks for a prefetch is answered at its repeats as it was at first."""
    origin.serve("/again/a", File(Pattern(1000)))
    gateway = launch(cache_max_bytes="0")
    body = {"urls": [origin.url("/again/a")], "prefetch": True}
    first = gateway.client.post("/api/archive/create", json=body)
    second = gateway.client.post("/api/archive/create", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["archive_hash"] == second.json()["archive_hash"]


@pytest.mark.alone
def test_repeated_create_does_what_the_first_did_not_ask_for(launch: Launch, origin: Origin) -> None:
    """The same archive: built now, its receiver told, and standing for longer."""
    origin.serve("/again/b", File(Pattern(1000)))
    with Receiver() as receiver:
        gateway = launch(allow=[receiver.authority])
        body = {"urls": [origin.url("/again/b")]}
        first = gateway.create(**body, expires_in=1000)
        assert gateway.status(first["archive_hash"])["status"] == "pending"
        again = gateway.create(**body, expires_in=5000, prefetch=True, webhook=receiver.url())
        assert again["archive_hash"] == first["archive_hash"]
        assert again["expires_at"] > first["expires_at"]
        assert receiver.next().verified(again["webhook_secret"])["data"]["archive_hash"] == first["archive_hash"]
        assert gateway.until(first["archive_hash"])["cached"]
        late = gateway.client.post("/api/archive/create", json=body | {"webhook": receiver.url("/late")})
        assert (late.status_code, late.json()["status"]) == (200, "completed")
        assert receiver.next("/late").verified(late.json()["webhook_secret"])["type"] == "archive.completed"
