"""How long an upload may take: silence and dripping end it, and slowness alone does not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from streamzip.config import Settings
from streamzip.errors import Stalled
from streamzip.uploads import door
from streamzip.uploads.door import UploadDoor


class Sending:
    """A request whose body comes as chunks, each after so many seconds."""

    def __init__(self, *chunks: tuple[float, bytes]) -> None:
        self.headers: dict[str, str] = {}
        self._chunks = chunks

    async def stream(self) -> AsyncIterator[bytes]:
        for wait, chunk in self._chunks:
            await asyncio.sleep(wait)
            yield chunk


async def received(monkeypatch: pytest.MonkeyPatch, *chunks: tuple[float, bytes]) -> int:
    """How many bytes are taken, where a body may be silent for a fifth of a second."""
    monkeypatch.setattr(door, "SILENT_FOR", 0.2)
    none = cast(Any, None)
    handlers = UploadDoor(none, none, Settings(), none, none, none)
    request: Any = Sending(*chunks)
    return sum([len(chunk) async for chunk in handlers._body(request, 0)])


async def test_body_is_taken_when_it_is_slow_and_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer in all than it may be silent, with a kilobyte a second and more."""
    assert await received(monkeypatch, *[(0.05, bytes(100))] * 12) == 1200


async def test_body_is_given_up_when_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a quick beginning too."""
    with pytest.raises(Stalled):
        await received(monkeypatch, (0.0, bytes(100_000)), (5.0, b"x"))


async def test_body_is_given_up_when_it_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte before each time-out would hold its connection, and its place on the disk, for years."""
    with pytest.raises(Stalled):
        await received(monkeypatch, *[(0.05, b"x")] * 100)
