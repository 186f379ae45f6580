"""From a hash to a frozen layout: the origins are asked once, whoever wants it and whenever they come."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streamzip.archives.events import RecordedEvents
from streamzip.archives.load import MOST_EARLY, MOST_EARLY_ENTRIES, MOST_PLANNED_ENTRIES, Loader
from streamzip.archives.planning import Planning
from streamzip.assembly.kept import KeptLimit
from streamzip.assembly.pulling import Pulling
from streamzip.clock import SystemClock
from streamzip.errors import NotReady
from streamzip.manifest.model import Entry, Manifest
from streamzip.origins.pull import Bounds
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


def a_loader(store: Store) -> Loader:
    """A loader over this store, with a vault that seals nothing."""
    vault = SimpleNamespace(
        ready=lambda: asyncio.sleep(0),
        unseal_manifest=lambda *_: MANIFEST,
        seal=lambda *a: sealed(a[-1]),
        unseal=lambda *a: a[-1].body,
    )
    pulling = SimpleNamespace(clock=SystemClock(), bounds=Bounds(), kept=KeptLimit())
    return Loader(cast(Repository, store), cast(Vault, vault), cast(Pulling, pulling), RecordedEvents(), probe_wait=5.0)


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
    loader = a_loader(store)
    loading = asyncio.create_task(loader.load(an_archive(HASH), foreign=False))
    await asyncio.sleep(0)
    loader.begin(HASH, MANIFEST)
    await store.frozen.wait()
    await asyncio.sleep(0.01)
    store.told.set()
    assert (await loading).layout.members == 1
    assert len(set(map(id, probes))) == 1


async def test_lists_that_wait_for_their_origins_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Origins that answer late keep whole lists in memory: only so many are asked before anybody wants them, and one
    who does is told to come again while a million entries wait.
    """
    answered = asyncio.Event()

    async def late(_: Planning) -> bool:
        return await answered.wait()

    monkeypatch.setattr(Planning, "probe", late)
    store, few, many = Store(), Manifest(MANIFEST.entries * 10), Manifest(MANIFEST.entries * (MOST_EARLY_ENTRIES + 1))
    store.told.set()
    early, full, wanted = a_loader(store), a_loader(store), a_loader(store)
    early.begin("many", many)  # the only one may be of any length
    early.begin("few", few)
    assert (early.is_planning("many"), early.is_planning("few")) == (True, False)
    for number in range(MOST_EARLY + 3):
        full.begin(str(number), few)
    assert sum(full.is_planning(str(number)) for number in range(MOST_EARLY + 3)) == MOST_EARLY
    wanted.begin("longest", Manifest(MANIFEST.entries * MOST_PLANNED_ENTRIES))
    with pytest.raises(NotReady, match="too many long archives"):
        await wanted.load(an_archive(HASH), foreign=False)
    for loader in (early, full, wanted):
        await loader.close()


async def test_first_reader_of_a_layout_that_was_just_frozen_finds_it_measured() -> None:
    """Where its members lie was counted while the store made it durable, and not once more before the first byte. What
    is loaded later is counted anew: an archive writes into what it was opened with.
    """
    store = Store()
    store.told.set()
    loader = a_loader(store)
    first, second = [await loader.load(an_archive(HASH), foreign=False) for _ in range(2)]
    assert first.measured is not None
    assert first.measured.size == first.measured.offsets.length
    assert first.measured.digest == first.layout.digest()
    assert second.measured is None
