"""From a hash to a frozen layout: the origins are asked once, whoever wants it and whenever they come."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streamzip.archive.planning import Planning
from streamzip.archive.pulling import Bounds
from streamzip.archives.events import RecordedEvents
from streamzip.archives.load import Loader
from streamzip.assembly.pulling import Pulling
from streamzip.clock import SystemClock
from streamzip.manifest.model import Entry, Manifest
from streamzip.store.repository import Repository
from streamzip.store.rows import Documents, Sealed
from streamzip.store.vault import Vault
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32
MANIFEST = Manifest((Entry(url="https://files.example/a", name="a", size=5),), filename="a.zip")


class Store:
    """What the loader needs of the store; documents are told late, as they were when they were asked for."""

    def __init__(self) -> None:
        self.layout: Sealed | None = None
        self.told = asyncio.Event()
        self.frozen = asyncio.Event()

    async def documents(self, _: str, *_kinds: str) -> Documents:
        documents = Documents(sealed(), self.layout)
        await self.told.wait()
        return documents

    async def has_layout(self, _: str) -> bool:
        return self.layout is not None

    async def set_layout(self, _: str, layout: Sealed, **_also: Any) -> Sealed:
        self.layout = layout
        self.frozen.set()
        return layout


async def test_load_asks_the_origins_no_second_time_when_the_background_ends_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader had read that there is no layout, and the background froze it then: asked again, an origin that had
    changed was said to be left out of an archive that has it.
    """
    probes = []
    probe = Planning.probe

    async def counted(planning: Planning) -> bool:
        probes.append(planning)
        return await probe(planning)

    monkeypatch.setattr(Planning, "probe", counted)
    store = Store()
    vault = SimpleNamespace(
        unseal_manifest=lambda *_: MANIFEST, seal=lambda *a: sealed(a[-1]), unseal=lambda *a: a[-1].body
    )
    pulling = SimpleNamespace(clock=SystemClock(), bounds=Bounds())
    loader = Loader(
        cast(Repository, store),
        cast(Vault, vault),
        cast(Pulling, pulling),
        RecordedEvents(),
        probe_wait=5.0,
    )
    loading = asyncio.create_task(loader.load(an_archive(HASH)))
    await asyncio.sleep(0)
    loader.begin(HASH, MANIFEST)
    await store.frozen.wait()
    await asyncio.sleep(0.01)
    store.told.set()
    assert (await loading).layout.members == 1
    assert len(set(map(id, probes))) == 1
