"""Room for copies: made by the times of this machine's files."""

from pathlib import Path

from streamzip.archive.room import Room
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
    room = Room(shelf, DayAhead(), promised=lambda: 0, let_go=lambda: None)
    await room.make()
    assert paths.finished.exists()
