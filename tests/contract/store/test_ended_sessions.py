"""Sessions that were ended: over for every gateway of the store, and forgotten once they would be anyway."""

from tests.contract.store.conftest import Place


async def test_session_that_was_ended_is_over_for_every_gateway(place: Place) -> None:
    """At once, also where it is ended twice; others go on."""
    one, other = await place.open(), await place.open()
    await one.ended_sessions.end("100.a", expires_at=100.0, now=0.0)
    await other.ended_sessions.end("100.a", expires_at=100.0, now=1.0)
    for repository in (one, other):
        assert await repository.ended_sessions.is_over("100.a")
        assert not await repository.ended_sessions.is_over("100.b")


async def test_session_is_forgotten_when_its_time_is_over(place: Place) -> None:
    """Its signature says so then; the store keeps twelve hours of them at most."""
    repository = await place.open()
    await repository.ended_sessions.end("100.a", expires_at=100.0, now=0.0)
    await repository.ended_sessions.end("200.b", expires_at=200.0, now=100.0)
    assert not await repository.ended_sessions.is_over("100.a")
    assert await repository.ended_sessions.is_over("200.b")
