"""Create is idempotent, whatever the gateway's settings are."""

from tests.support.fixtures import Launch
from tests.support.origin import File, Origin, Pattern


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
