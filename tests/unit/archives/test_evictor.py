"""Room for copies: made by the times of this machine's files."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from streamzip.archives.copies import CopyPlaces
from streamzip.archives.events import RecordedEvents
from streamzip.archives.evictor import Evictor, Pressure
from streamzip.archives.table import ArchiveTable
from streamzip.clock import SystemClock
from streamzip.spool.shelf import Held, Shelf


class DayAhead(SystemClock):
    """The clock of a database server that is a day ahead of this machine."""

    def wall(self) -> float:
        return super().wall() + 86_400


async def test_room_leaves_a_copy_that_was_just_used_when_the_server_clock_is_ahead(tmp_path: Path) -> None:
    """Whose copies were used last is told by files' times, whatever clock the store goes by."""
    shelf = Shelf(tmp_path, budget=0, grace=60.0)
    paths = shelf.paths("ab" + "0" * 30)
    paths.finished.parent.mkdir(parents=True)
    paths.finished.write_bytes(bytes(8192))
    paths.lock.touch()
    table = cast(ArchiveTable, SimpleNamespace(promised=lambda: 0, close_idle=lambda: None))
    places = CopyPlaces(shelf, None)
    await Evictor(shelf, places, table, DayAhead(), Pressure(), RecordedEvents()).make_room()
    assert paths.finished.exists()


async def test_bytes_that_a_loop_has_just_written_are_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is promised is asked by the loop that writes, after the disk: a thread would ask between a write and its
    note, and a copy would go for nothing.
    """
    asked: list[tuple[str, bool]] = []
    listed = Shelf.held

    def held(shelf: Shelf) -> list[Held]:
        asked.append(("held", threading.current_thread() is threading.main_thread()))
        return listed(shelf)

    def promised() -> int:
        asked.append(("promised", threading.current_thread() is threading.main_thread()))
        return 0

    monkeypatch.setattr(Shelf, "held", held)
    shelf = Shelf(tmp_path, budget=1 << 20, grace=60.0)
    table = cast(ArchiveTable, SimpleNamespace(promised=promised, close_idle=lambda: None))
    pressure = Pressure()
    pressure.add(1, full=True)
    await Evictor(shelf, CopyPlaces(shelf, None), table, SystemClock(), pressure, RecordedEvents()).make_room()
    assert asked[-2:] == [("held", False), ("promised", True)]


async def test_pressure_is_taken_once() -> None:
    """What is added while the evictor looks counts at its next look; what it took does not count again."""
    pressure = Pressure()
    pressure.add(3)
    pressure.add(4, full=True)
    await pressure.wait()
    assert pressure.take() == (7, True)
    assert pressure.take() == (0, False)
    waiting = asyncio.create_task(pressure.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    pressure.add(1)
    await waiting
