"""The shelf: what is kept, what goes first, and what never goes."""

import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from streamzip.files.locks import USE, InUse, LockFile
from streamzip.spool import shelf as shelf_module
from streamzip.spool.file import FileSpool
from streamzip.spool.shelf import Held, Shelf

MIB = 1 << 20
NOW = 2_000_000_000.0


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "spool", budget=10 * MIB)


def name(number: int) -> str:
    return f"{number:02x}" + "0" * 30


def opened(shelf: Shelf, number: int, size: int = MIB) -> FileSpool:
    return shelf.open(name(number), size=size, layout=bytes(16))


def put(shelf: Shelf, number: int, *, size: int = MIB, finished: bool = True, ago: float = 1000) -> None:
    """A copy of that size that was last used so many seconds ago."""
    spool = opened(shelf, number, size)
    spool.write(0, os.urandom(size))
    if finished:
        spool.finish(mtime=1)
    spool.close()
    os.utime(shelf.paths(name(number)).lock, (NOW - ago, NOW - ago))


def names(held: list[Held]) -> set[str]:
    return {each.name for each in held if each.taken}


def test_shelf_counts_what_files_take_on_disk(shelf: Shelf) -> None:
    """A sparse file counts what is filled in; the journal counts too."""
    put(shelf, 1, size=2 * MIB, ago=5)
    spool = opened(shelf, 2, 1 << 40)
    spool.write(1 << 39, bytes(MIB))
    held = {each.name: each for each in shelf.held()}
    assert 2 * MIB <= held[name(1)].taken < 2.2 * MIB
    assert MIB <= held[name(2)].taken < 1.2 * MIB
    assert (held[name(1)].finished, held[name(2)].finished) == (True, False)
    assert held[name(1)].last_use == NOW - 5
    spool.close()


def test_shelf_of_a_folder_that_is_not_there_holds_nothing(shelf: Shelf) -> None:
    """Before the first archive there is no folder."""
    assert shelf.held() == []
    assert shelf.make_room(NOW, shelf.held())[0] == []
    assert shelf.free_space() > 0


@pytest.mark.parametrize(
    ("budget", "size", "expected"),
    [(0, 1, False), (0, None, False), (10, 10, True), (10, 11, False), (10, None, True), (10, 0, True)],
)
def test_shelf_takes_what_fits_its_budget(shelf: Shelf, budget: int, size: int | None, expected: bool) -> None:
    """With a budget of 0 no copy is kept, and one larger than all of it never is."""
    shelf.budget = budget
    assert shelf.takes(size) is expected


def test_shelf_evicts_unfinished_copies_first_then_the_longest_unused(shelf: Shelf) -> None:
    """One by one, until the rest fits."""
    put(shelf, 1, ago=400)
    put(shelf, 2, ago=300)
    put(shelf, 3, finished=False, ago=100)
    put(shelf, 4, finished=False, ago=200)
    order: list[str] = []
    for wanted in (7, 8, 9, 10):
        order += shelf.make_room(NOW, shelf.held(), wanted=wanted * MIB)[0]
    assert order == [name(4), name(3), name(1), name(2)]
    assert names(shelf.held()) == set()


def test_shelf_evicts_no_more_than_it_must(shelf: Shelf) -> None:
    """Within the budget nothing goes; one over it, one goes."""
    for number in range(9):
        put(shelf, number, ago=1000 - number)
    assert shelf.make_room(NOW, shelf.held())[0] == []
    assert shelf.make_room(NOW, shelf.held(), wanted=MIB)[0] == [name(0)]
    assert len(names(shelf.held())) == 8


def test_shelf_evicts_some_way_ahead_when_it_holds_many(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every copy that is finished on a full shelf needs a look at all the others."""
    monkeypatch.setattr("streamzip.spool.shelf.MANY", 9)
    shelf.budget = 10 * MIB
    for number in range(10):
        put(shelf, number, ago=1000 - number)
    gone, left = shelf.make_room(NOW, shelf.held())
    assert gone == [name(0)]
    assert left == sum(each.taken for each in shelf.held()) <= 10 * MIB - 10 * MIB // 50


def test_shelf_evicts_nothing_that_is_in_use(shelf: Shelf) -> None:
    """An archive that somebody reads stays, though the budget is passed; the next one goes in its place."""
    put(shelf, 1, ago=400)
    put(shelf, 2, ago=300)
    spool = opened(shelf, 1)
    os.utime(shelf.paths(name(1)).lock, (NOW - 400, NOW - 400))
    assert not shelf.evict(name(1))
    assert shelf.make_room(NOW, shelf.held(), wanted=10 * MIB)[0] == [name(2)]
    assert spool.paths.finished.exists()
    spool.close()
    assert shelf.make_room(NOW, shelf.held(), wanted=10 * MIB)[0] == [name(1)]
    assert not spool.paths.finished.exists()


def test_shelf_evicts_nothing_that_was_just_handed_over(shelf: Shelf) -> None:
    """nginx may still be about to open it: a minute's grace after its last use, and a touch is a use."""
    put(shelf, 1, ago=59)
    assert shelf.make_room(NOW, shelf.held(), wanted=10 * MIB)[0] == []
    assert shelf.make_room(NOW + 1, shelf.held(), wanted=10 * MIB)[0] == [name(1)]
    put(shelf, 2, ago=1000)
    shelf.touch(name(2))
    used = shelf.paths(name(2)).lock.stat().st_mtime
    assert shelf.make_room(used + 59, shelf.held(), wanted=10 * MIB)[0] == []


def test_shelf_evicts_when_the_clock_was_set_back(shelf: Shelf) -> None:
    """Last uses that lie in the future keep no copies for as long as the clock went back."""
    put(shelf, 1)
    assert shelf.make_room(NOW - 86_400, shelf.held(), wanted=10 * MIB)[0] == [name(1)]


def test_opening_an_archive_is_a_use_of_it(shelf: Shelf) -> None:
    """The last use is the lock file's time, which a restart keeps."""
    put(shelf, 1, ago=10**9)
    opened(shelf, 1).close()
    (held,) = Shelf(shelf.root, budget=1).held()
    assert held.last_use > NOW - 10**9


def test_evicted_archive_begins_anew(shelf: Shelf) -> None:
    """Copy and journal are gone, and the lock file with them: a gateway makes millions of archives."""
    put(shelf, 1)
    paths = shelf.paths(name(1))
    assert shelf.has_copy(name(1)) and shelf.begun(name(1))
    assert shelf.evict(name(1))
    assert not shelf.has_copy(name(1)) and not shelf.begun(name(1))
    assert list(paths.folder.iterdir()) == []
    spool = opened(shelf, 1)
    assert spool.blank
    spool.close()


def test_lock_files_without_copies_go_when_nobody_uses_them(shelf: Shelf) -> None:
    """What a reader of a deleted archive left, a killed process, or a release before: not while it is used, and not
    where somebody is about to.
    """
    put(shelf, 1)
    spool = opened(shelf, 1)
    shelf.remove(name(1))
    lock = spool.paths.lock
    used = lock.stat().st_mtime
    shelf.make_room(used + 61, shelf.held())
    assert lock.exists()
    spool.close()
    shelf.make_room(used + 59, shelf.held())
    assert lock.exists()
    assert shelf.make_room(used + 61, shelf.held())[0] == []
    assert shelf.held() == []
    assert not lock.exists()


def test_evicting_what_is_not_there_is_no_error(shelf: Shelf) -> None:
    """It is gone, as was asked."""
    assert shelf.evict(name(7))
    shelf.remove(name(7))


def test_archive_that_another_process_evicts_is_not_opened(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are going, and the other one does not end: the reader is told to come again, and leaves no descriptor
    behind.
    """
    monkeypatch.setattr(shelf_module, "OPENS_WITHIN", 0.01)
    put(shelf, 1)
    evictor = LockFile(shelf.paths(name(1)).lock)
    assert evictor.try_exclusive(USE)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(InUse):
        opened(shelf, 1)
    assert len(os.listdir("/proc/self/fd")) == before
    evictor.close()
    opened(shelf, 1).close()


def test_removed_archive_is_gone_at_once_and_its_reader_goes_on(shelf: Shelf) -> None:
    """A deletion does not wait for those who read."""
    put(shelf, 1)
    spool = opened(shelf, 1)
    content = spool.read(0, MIB)
    shelf.remove(name(1))
    assert not shelf.has_copy(name(1)) and not shelf.begun(name(1))
    assert spool.read(0, MIB) == content
    spool.close()


def test_shelf_is_counted_while_files_come_and_go(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that is finished or removed between listing and looking does not end the sweep."""
    put(shelf, 1, finished=False)
    put(shelf, 2)
    paths, real = shelf.paths(name(1)), os.scandir

    def scandir(folder: Path) -> Any:
        entries = list(real(folder))
        if folder == paths.folder:
            paths.part.unlink(missing_ok=True)
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", scandir)
    assert name(2) in names(shelf.held())
    assert name(1) in {each.name for each in shelf.held()}


class Disk:
    """Stands in for a disk of 100 MiB, a twentieth of which copies leave free."""

    def __init__(self, shelf: Shelf, used: int) -> None:
        self.shelf, self.used = shelf, used

    def usage(self, _: Path) -> SimpleNamespace:
        taken = sum(each.taken for each in self.shelf.held())
        return SimpleNamespace(total=100 * MIB, free=100 * MIB - self.used - taken)


def on_disk(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, *, used: int) -> Disk:
    disk = Disk(shelf, used)
    monkeypatch.setattr(shutil, "disk_usage", disk.usage)
    monkeypatch.setattr(shelf_module, "LOOK_AGAIN", 0.0)
    return disk


def test_shelf_leaves_room_to_others_on_its_disk(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its budget is no promise of the disk: copies go when others take their room, and may stay again when they give it
    back.
    """
    for number in range(6):
        put(shelf, number, ago=1000 - number)
    disk = on_disk(shelf, monkeypatch, used=50 * MIB)
    shelf.look()
    assert shelf.room() == shelf.budget
    assert shelf.make_room(NOW, shelf.held())[0] == []
    disk.used = 90 * MIB + MIB // 2
    shelf.look()
    assert shelf.room() == 4 * MIB + MIB // 2
    assert shelf.make_room(NOW, shelf.held())[0] == [name(0), name(1)]
    assert not shelf.fits(MIB)
    disk.used = 0
    assert shelf.fits(MIB)
    shelf.look()
    assert shelf.room() == shelf.budget


def test_a_stray_file_beside_the_folders_of_copies_is_no_copy(shelf: Shelf) -> None:
    """What an operator or an editor left in the spool's folder is neither counted nor stumbled over."""
    put(shelf, 1)
    (shelf.root / "notes.txt").write_text("not ours")
    assert [held.name for held in shelf.held()] == [name(1)]
