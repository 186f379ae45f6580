"""Room for copies: made by the times of this machine's files."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from streamzip.archives.copies import CopyPlaces
from streamzip.archives.events import RecordedEvents
from streamzip.archives.evictor import Evictor, Pressure
from streamzip.archives.table import ArchiveTable
from streamzip.clock import SystemClock
from streamzip.spool.shelf import Shelf


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
