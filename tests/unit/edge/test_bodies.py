"""Bodies that are held in memory: how long they may take, and how much all of them may have."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from streamzip.edge import bodies
from streamzip.edge.bodies import UNCOUNTED, HeldBodies, read_body
from streamzip.errors import NotReady, Stalled, TooLarge

LONG = UNCOUNTED + 1000


class Sending:
    """A request whose body comes as chunks, each after so many seconds."""

    def __init__(self, *chunks: tuple[float, bytes], **headers: str) -> None:
        self.headers = headers
        self._chunks = chunks

    async def stream(self) -> AsyncIterator[bytes]:
        for wait, chunk in self._chunks:
            await asyncio.sleep(wait)
            yield chunk


def sending(*chunks: tuple[float, bytes]) -> Any:
    """A request with that body."""
    return Sending(*chunks)


async def test_body_is_given_up_when_it_falls_silent_after_a_quick_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much has come: a megabyte would buy a quarter of an hour, and be held all the while."""
    monkeypatch.setattr(bodies, "SILENT_FOR", 0.2)
    async with asyncio.timeout(5):
        with pytest.raises(Stalled):
            await read_body(sending((0.0, bytes(1 << 20)), (60.0, b"x")), 2 << 20)


async def test_body_is_given_up_when_it_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte before each time-out would hold its connection for years."""
    monkeypatch.setattr(bodies, "SILENT_FOR", 0.2)
    with pytest.raises(Stalled):
        await read_body(sending(*[(0.05, b"x")] * 100), 1000)


async def test_body_is_taken_when_it_is_slow_and_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer in all than it may be silent, with a kilobyte a second and more."""
    monkeypatch.setattr(bodies, "SILENT_FOR", 0.2)
    assert len(await read_body(sending(*[(0.05, bytes(100))] * 12), 2000)) == 1200


async def test_body_is_refused_at_its_limit() -> None:
    """From what it says, or when it is passed; a body of just the limit is taken."""
    assert len(await read_body(sending((0.0, bytes(1000))), 1000)) == 1000
    with pytest.raises(TooLarge):
        await read_body(sending((0.0, bytes(1001))), 1000)
    said: Any = Sending(**{"content-length": "1001"})
    with pytest.raises(TooLarge):
        await read_body(said, 1000)


async def test_bodies_have_their_memory_together() -> None:
    """What does not fit is told to come again; a short one always fits, and what was let go is there for others."""
    held = HeldBodies(1500)
    async with held.read(sending((0.0, bytes(LONG))), LONG):
        with pytest.raises(NotReady) as refused:
            async with held.read(sending((0.0, bytes(500)), (0.0, bytes(LONG - 500))), LONG):
                pass
        assert (refused.value.code, refused.value.retry_after) == ("too_busy", 5)
        async with held.read(sending((0.0, bytes(UNCOUNTED))), LONG) as short:
            assert len(short) == UNCOUNTED
    with pytest.raises(ZeroDivisionError):
        async with held.read(sending((0.0, bytes(LONG))), LONG):
            raise ZeroDivisionError
    async with held.read(sending((0.0, bytes(LONG + 500))), LONG + 500) as body:
        assert len(body) == LONG + 500
