"""What is watched is looked at when something of it changed, and at no other time."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from streamzip.archives import watching
from streamzip.archives.status import Look
from streamzip.archives.watching import Watches
from streamzip.clock import SystemClock
from streamzip.origins.gate import Waiting
from streamzip.spool.shelf import Shelf
from streamzip.store.overview import Stamp

HASH = "a" * 32
STAMP = Stamp(
    None,
    None,
    None,
    None,
    None,
    None,
    planned=True,
    receivers=0,
    deliveries=0,
    attempts=None,
    delivered=None,
    held=None,
)


class World:
    """All that watching asks: each answer may be changed."""

    def __init__(self, folder: Path) -> None:
        self.stamp: Stamp | None = STAMP
        self.waiting: tuple[Waiting, ...] = ()
        self.elsewhere = False
        self.looks = self.asked = 0
        self.version: object | None = None
        self.shelf = Shelf(folder, budget=1, grace=0.0)
        everything: Any = SimpleNamespace(
            look=self._look,
            stamps=self._stamps,
            version=lambda: self.version,
            throttling=lambda: self.waiting,
            is_planning=lambda _: True,
            peek=lambda _: None,
            reading=lambda _: False,
        )
        parts = (everything, everything, everything, everything, self.shelf, SystemClock())
        self.watches = Watches(*cast(Any, parts), most=9, leaving=asyncio.Event())

    async def _look(self, _: object) -> Look:
        self.looks += 1
        return Look(cast(Any, {"status": "in-progress", "seen": self.looks}), self.elsewhere)

    async def _stamps(self, hashes: list[str]) -> dict[str, Stamp]:
        self.asked += 1
        return {} if self.stamp is None else dict.fromkeys(hashes, self.stamp)

    async def round(self) -> int:
        """How many looks one round of watching makes."""
        before = self.looks
        await self.watches._look_at_all()
        return self.looks - before


async def test_watched_archive_is_looked_at_only_when_something_of_it_changed(tmp_path: Path, monkeypatch: Any) -> None:
    """The store's facts, another process's journal, an origin that throttles: one look each; else none."""
    monkeypatch.setattr(watching, "LOOK_EVERY", 3600.0)  # the test makes the rounds
    world = World(tmp_path)
    first = await world.watches.first(HASH)
    with world.watches.watch(HASH, "client", first):
        assert [await world.round(), await world.round()] == [1, 0]

        world.stamp = STAMP._replace(code="entry_failed")
        assert [await world.round(), await world.round()] == [1, 0]

        journal = world.shelf.paths(HASH).journal
        journal.parent.mkdir(parents=True)
        journal.write_bytes(b"a record")
        assert [await world.round(), await world.round()] == [1, 0]

        world.waiting = (Waiting("files.example:443", 1000.0, "http_429"),)
        assert [await world.round(), await world.round()] == [1, 0]


async def test_store_is_asked_only_when_it_was_written_to(tmp_path: Path, monkeypatch: Any) -> None:
    """Its files tell: as long as they are as they were, and the same archives are watched, no query is made."""
    monkeypatch.setattr(watching, "LOOK_EVERY", 3600.0)
    world = World(tmp_path)
    first = await world.watches.first(HASH)
    with world.watches.watch(HASH, "client", first):
        await world.round()
        await world.round()
        assert world.asked == 2  # it was written to just now, and may be again within the same tick
        world.version = 1
        await world.round()
        await world.round()
        assert world.asked == 3
        with world.watches.watch("b" * 32, "client", first):
            await world.round()
            assert world.asked == 4
        world.version, world.stamp = 2, STAMP._replace(code="entry_failed")
        assert await world.round() == 1
        assert world.asked == 5


async def test_watchers_of_an_archive_that_stays_as_it_is_are_reminded_before_their_proxies_give_up(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """All of them at once, by the one timer that looks; one who was just told something is not reminded."""
    world, clock = World(tmp_path), SimpleNamespace(now=1000.0)
    monkeypatch.setattr(watching, "LOOK_EVERY", 3600.0)
    monkeypatch.setattr(world.watches, "_clock", SimpleNamespace(monotonic=lambda: clock.now, wall=lambda: clock.now))
    first = await world.watches.first(HASH)
    with world.watches.watch(HASH, "client", first) as watched, world.watches.watch(HASH, "other", first):
        waiting = [asyncio.create_task(watched.changed(first)) for _ in range(2)]
        for seconds, reminded in ((watching.REMIND_EVERY - 0.1, [False, False]), (0.1, [True, True])):
            clock.now += seconds
            world.watches._remind()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert [task.done() for task in waiting] == reminded
        assert [task.result() for task in waiting] == [False, False]  # nothing is new
        clock.now += 1.0
        await world.round()
        assert await watched.changed(first)
        told = asyncio.create_task(watched.changed(watched.snapshot))
        clock.now += watching.REMIND_EVERY - 0.1
        world.watches._remind()
        await asyncio.sleep(0)
        assert not told.done()
        told.cancel()
