"""The copy made whole: nothing half-written is ever taken for it."""

import os
from pathlib import Path
from typing import Any

import pytest

from streamzip.spool.journal import Drop
from streamzip.spool.shelf import Shelf
from tests.unit.spool.builders import CONTENT, MTIME, PARTS, fill, flip, opened, prove, pull


def test_finish_gives_the_file_its_final_name_and_time(shelf: Shelf) -> None:
    """The copy has the archive's mtime, as its ETag says, and its bytes; its spool goes on reading it."""
    with opened(shelf) as spool:
        fill(spool)
        spool.finish(mtime=MTIME)
        assert not spool.paths.part.exists()
        assert spool.paths.finished.read_bytes() == CONTENT
        assert spool.paths.finished.stat().st_mtime_ns == MTIME * 10**9
        assert (spool.finished, spool.sealed) == (True, True)
        assert spool.read(0, len(CONTENT)) == CONTENT


def test_finish_gives_no_name_to_the_copy_that_came_after_a_removed_one(shelf: Shelf) -> None:
    """An archive that is deleted and created again while its copy is finished: the new copy is not whole yet."""
    with opened(shelf) as removed:
        fill(removed)
        shelf.remove(removed.name)
        with opened(shelf) as begun:
            assert removed.begin_finish()
            with pytest.raises(FileNotFoundError):
                removed.finish(mtime=MTIME)
            removed.end_finish()
            assert not shelf.has_copy(removed.name)
            fill(begun)
            begun.finish(mtime=MTIME)
            assert shelf.has_copy(removed.name)


def test_finish_makes_the_bytes_durable_before_the_name(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync of the file, then the rename, then the journal, then fsync of the folder: in this order."""
    steps: list[str] = []
    real_sync, real_rename, real_data = os.fsync, Path.rename, os.fdatasync

    def name(fd: int) -> str:
        return Path(os.readlink(f"/proc/self/fd/{fd}")).suffix or "folder"

    def fsync(fd: int) -> None:
        steps.append("fsync " + name(fd))
        real_sync(fd)

    def fdatasync(fd: int) -> None:
        steps.append("fsync " + name(fd))
        real_data(fd)

    def rename(path: Path, target: Path) -> Path:
        steps.append("rename")
        return real_rename(path, target)

    with opened(shelf) as spool:
        fill(spool)
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        monkeypatch.setattr(Path, "rename", rename)
        spool.finish(mtime=MTIME)
    assert steps[:2] == ["fsync .part", "rename"]
    assert steps[-1] == "fsync folder"
    assert "fsync .journal" in steps


def test_finished_copy_is_trusted_while_it_is_the_sealed_file(shelf: Shelf) -> None:
    """Size, time, change time and inode as they were: no proof is needed, after a reboot neither."""
    with opened(shelf) as spool:
        fill(spool)
        spool.finish(mtime=MTIME)
    with opened(shelf) as spool:
        assert (spool.finished, spool.sealed, spool.blank) == (True, True, False)


def _replaced(path: Path) -> None:
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, (MTIME, MTIME))
    copy.rename(path)


def _touched(path: Path) -> None:
    os.utime(path, (MTIME + 1, MTIME + 1))


def _grown(path: Path) -> None:
    os.truncate(path, len(CONTENT) + 1)
    os.utime(path, (MTIME, MTIME))


@pytest.mark.parametrize(
    "change", [_replaced, _touched, _grown, lambda path: flip(path, 5), lambda path: os.truncate(path, 5)]
)
def test_finished_copy_is_not_trusted_when_it_is_another_file(shelf: Shelf, change: Any) -> None:
    """Restored from a backup, touched, cut or written to: its extents are proven like any others."""
    with opened(shelf) as spool:
        fill(spool)
        spool.finish(mtime=MTIME)
    change(spool.paths.finished)
    with opened(shelf) as spool:
        assert (spool.finished, spool.sealed) == (True, False)
        assert list(spool.extents.proven) == [0, 0, 0]
        assert not spool.check_seal()


def test_finished_copy_is_sealed_again_after_its_damage_is_made_good(shelf: Shelf) -> None:
    """What was flipped is dropped and pulled again in its place, and the next life trusts the whole."""
    with opened(shelf) as spool:
        fill(spool)
        spool.finish(mtime=MTIME)
    flip(spool.paths.finished, PARTS[1][0])
    with opened(shelf) as spool:
        assert prove(spool) == [Drop(1, 0)]
        assert spool.extents.missing == 1
        pull(spool, 1)
        spool.finish(mtime=MTIME)
    with opened(shelf) as spool:
        assert spool.sealed
        assert spool.read(0, len(CONTENT)) == CONTENT
        assert spool.paths.finished.stat().st_mtime_ns == MTIME * 10**9


def test_spool_that_drops_something_is_no_longer_sealed(shelf: Shelf) -> None:
    """Not in this life, before it is finished again."""
    with opened(shelf) as spool:
        fill(spool)
        spool.finish(mtime=MTIME)
        spool.drop(Drop(0, 0))
        assert not spool.sealed
