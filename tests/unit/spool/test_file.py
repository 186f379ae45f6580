"""The copy on disk: nothing in it is used that was not proven, and nothing half-written is ever taken for whole."""

import os
import random
import signal
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from streamzip.spool import file as spool_file
from streamzip.spool.extents import Extent
from streamzip.spool.file import FileSpool
from streamzip.spool.journal import Drop, Pin, Settled
from streamzip.spool.locks import InUse
from streamzip.spool.shelf import Shelf

CONTENT = random.Random(1).randbytes(300_000)
# Three parts and, between them, records: part k is CONTENT[PARTS[k]].
PARTS = [(30, 100_030), (100_070, 200_070), (200_110, 299_000)]
LENGTHS = array("q", (stop - start for start, stop in PARTS))
LAYOUT, OTHER = b"L" * 16, b"M" * 16
NAME = "ab" + "0" * 30
MTIME = 1777629600


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, budget=1 << 30)


@contextmanager
def opened(shelf: Shelf, **fields: Any) -> Iterator[FileSpool]:
    """The spool as a gateway opens it, and lets go of it in the end."""
    facts: dict[str, Any] = {"lengths": array("q", LENGTHS), "size": len(CONTENT), "layout": LAYOUT}
    spool = shelf.open(NAME, **(facts | fields))
    try:
        yield spool
    finally:
        spool.close()


def pull(spool: FileSpool, part: int, start: int = 0, stop: int | None = None) -> None:
    """Write the part's bytes `[start, stop)`, then list them."""
    at, end = PARTS[part]
    stop = end - at if stop is None else stop
    block = CONTENT[at + start : at + stop]
    spool.write(at + start, block)
    spool.extents.grow(part, len(block))
    spool.commit(Extent(part, start, stop, crc32(block)))
    spool.flush()


def fill(spool: FileSpool) -> None:
    """All of the archive: the records between the parts are written, and not listed."""
    spool.write(0, CONTENT)
    for part in range(len(PARTS)):
        pull(spool, part)


def prove(spool: FileSpool) -> list[Drop]:
    """Check every part as a reader does before it uses it; what was dropped."""
    dropped = []
    for part, (at, _) in enumerate(PARTS):
        while (drop := spool.prove(part, at)) is not None:
            spool.drop(drop)
            dropped.append(drop)
        spool.extents.proven[part] = spool.extents.committed[part]
    spool.flush()
    return dropped


def committed(spool: FileSpool) -> list[int]:
    return list(spool.extents.committed)


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


WHOLE = list(LENGTHS)


def test_spool_begins_as_a_sparse_file_of_the_archives_length(shelf: Shelf) -> None:
    """It takes no room before anything is pulled, and says that nothing is known."""
    with opened(shelf) as spool:
        stat = spool.paths.part.stat()
        assert (stat.st_size, stat.st_blocks) == (len(CONTENT), 0)
        assert (spool.blank, spool.rebooted, spool.damaged, spool.finished, spool.sealed) == (True,) + (False,) * 4


def test_spool_reads_back_what_was_written(shelf: Shelf) -> None:
    """At once, from the page cache or the disk; short at the end of the file."""
    with opened(shelf) as spool:
        spool.write(1000, CONTENT[:5000])
        assert spool.read(1000, 5000) == CONTENT[:5000]
        assert spool.read_now(1000, 5000) in (CONTENT[:5000], None)
        assert spool.read(len(CONTENT) - 10, 100) == bytes(10)
        assert spool.read_now(len(CONTENT) - 10, 100) in (bytes(10), None)


def test_spool_reads_from_the_disk_where_the_cache_cannot_be_asked(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tmpfs and overlays refuse RWF_NOWAIT: the caller is told to use a thread, not given an error."""

    def refused(*_arguments: Any) -> int:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "preadv", refused)
    with opened(shelf) as spool:
        assert spool.read_now(0, 10) is None


def test_spool_writes_all_of_it_when_the_disk_takes_a_little_at_a_time(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pwrite may write less than it was given."""
    real = os.pwrite
    with opened(shelf) as spool:
        monkeypatch.setattr(os, "pwrite", lambda fd, block, at: real(fd, bytes(block[:700]), at))
        spool.write(5, CONTENT[:5000])
        monkeypatch.undo()
        assert spool.read(5, 5000) == CONTENT[:5000]


# -- another life -----------------------------------------------------------------------------------------------------


def test_spool_of_an_earlier_life_is_used_after_proof(shelf: Shelf) -> None:
    """What was journalled is there, unproven; its bytes agree with their CRCs, and then it is proven."""
    with opened(shelf) as spool:
        pull(spool, 0, 0, 40_000)
        pull(spool, 0, 40_000, 90_000)
        pull(spool, 2)
        spool.note(Pin(2, True, '"v1"'))
        spool.note(Settled(2, 8, 5, 5, 9))
    with opened(shelf) as spool:
        assert (spool.blank, spool.rebooted, spool.damaged) == (False, False, False)
        assert committed(spool) == [90_000, 0, LENGTHS[2]]
        assert list(spool.extents.proven) == [0, 0, 0]
        assert prove(spool) == []
        assert list(spool.extents.proven) == [90_000, 0, LENGTHS[2]]
        assert spool.pins == {2: Pin(2, True, '"v1"')}
        assert spool.settled == {2: Settled(2, 8, 5, 5, 9)}


KILLED = """
import os, signal, sys
from pathlib import Path
from streamzip.spool.shelf import Shelf
from tests.unit.spool.test_file import CONTENT, LAYOUT, LENGTHS, NAME, PARTS, pull

spool = Shelf(Path(sys.argv[1]), budget=1 << 30).open(NAME, lengths=LENGTHS, size=len(CONTENT), layout=LAYOUT)
assert spool.claim(1)
pull(spool, 0)
pull(spool, 1, 0, 50_000)
spool.write(PARTS[1][0] + 50_000, CONTENT[:30_000])  # wrong bytes, written and never listed
spool.extents.grow(1, 30_000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_spool_goes_on_after_kill_9_where_its_journal_ends(shelf: Shelf, request: pytest.FixtureRequest) -> None:
    """Bytes that were written and not listed do not count, locks are free, and the rest is pulled as before."""
    command = [sys.executable, "-c", KILLED, str(shelf.root)]
    killed = subprocess.run(command, cwd=request.config.rootpath, check=False)
    assert killed.returncode == -signal.SIGKILL
    with opened(shelf) as spool:
        assert committed(spool) == [LENGTHS[0], 50_000, 0]
        assert prove(spool) == []
        assert all(spool.claim(part) for part in range(3))
        pull(spool, 1, 50_000)
        pull(spool, 2)
        assert spool.extents.missing == 0
        for at, end in PARTS:
            assert spool.read(at, end - at) == CONTENT[at:end]


@pytest.mark.parametrize(
    ("at", "kept"),
    [
        (PARTS[0][0], [0, 60_000, 0]),
        (PARTS[0][0] + 39_999, [0, 60_000, 0]),
        (PARTS[0][0] + 40_000, [40_000, 60_000, 0]),
        (PARTS[0][1] - 1, [40_000, 60_000, 0]),
        (PARTS[1][0] + 59_999, [100_000, 0, 0]),
        (PARTS[1][0] + 60_000, [100_000, 60_000, 0]),  # not listed: nobody's
        (PARTS[0][0] - 1, [100_000, 60_000, 0]),
    ],
)
def test_spool_drops_the_extent_in_which_a_byte_was_flipped(shelf: Shelf, at: int, kept: list[int]) -> None:
    """From that extent on the part is pulled again; what lies before it stays; a later life is told so too."""
    with opened(shelf) as spool:
        pull(spool, 0, 0, 40_000)
        pull(spool, 0, 40_000)
        pull(spool, 1, 0, 60_000)
        part = spool.paths.part
    flip(part, at)
    with opened(shelf) as spool:
        prove(spool)
        assert committed(spool) == kept
        assert list(spool.extents.proven) == kept
    with opened(shelf) as spool:
        assert committed(spool) == kept
        assert prove(spool) == []
        for number, start in enumerate(kept):
            pull(spool, number, start)
        assert spool.extents.missing == 0
    with opened(shelf) as spool:
        assert prove(spool) == []
        assert committed(spool) == WHOLE


@pytest.mark.parametrize("size", [0, 30, 31, 100_029, 100_030, 150_000, 298_990, 299_000])
def test_spool_drops_what_a_truncated_file_has_lost(shelf: Shelf, size: int) -> None:
    """A file cut short is given its length again, and its missing bytes are not taken for zeros that were pulled."""
    with opened(shelf) as spool:
        fill(spool)
        part = spool.paths.part
    os.truncate(part, size)
    with opened(shelf) as spool:
        assert part.stat().st_size == len(CONTENT)
        lost = [number for number, (_, stop) in enumerate(PARTS) if stop > size]
        assert [drop.part for drop in prove(spool)] == lost
        for number in range(3):
            at, stop = PARTS[number]
            assert committed(spool)[number] == (0 if number in lost else stop - at)


def test_spool_begins_anew_when_its_file_is_gone(shelf: Shelf) -> None:
    """A journal without its file proves nothing."""
    with opened(shelf) as spool:
        fill(spool)
        spool.paths.part.unlink()
    with opened(shelf) as spool:
        assert len(prove(spool)) == 3
        assert committed(spool) == [0, 0, 0]


def test_spool_takes_nothing_from_its_file_when_its_journal_is_gone(shelf: Shelf) -> None:
    """Bytes on disk alone are never given a CRC."""
    with opened(shelf) as spool:
        fill(spool)
        spool.paths.journal.unlink()
    with opened(shelf) as spool:
        assert spool.blank
        assert committed(spool) == [0, 0, 0]
        assert spool.extents.present == 0


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("parts", [1, 3, 5])
def test_spool_begins_anew_when_its_journal_is_of_another_layout(shelf: Shelf, finished: bool, parts: int) -> None:
    """Whatever lies there is void, whether the other layout has fewer parts or more; and what was known is not."""
    with opened(shelf) as spool:
        fill(spool)
        spool.note(Pin(2, True, '"v1"'))
        spool.note(Settled(2, 8, 5, 5, 9))
        spool.note(Drop(2, 0))
        if finished:
            spool.finish(mtime=MTIME)
    with opened(shelf, layout=OTHER, lengths=array("q", [1000] * parts)) as spool:
        assert spool.blank
        assert (spool.finished, spool.sealed) == (False, False)
        assert committed(spool) == [0] * parts
        assert (spool.pins, spool.settled) == ({}, {})
        assert not spool.paths.finished.exists()
        assert spool.paths.part.stat().st_blocks == 0
        spool.commit(Extent(0, 0, 1000, 7))
    with opened(shelf, layout=OTHER, lengths=array("q", [1000] * parts)) as spool:
        assert not spool.blank
        assert committed(spool) == [1000] + [0] * (parts - 1)


def test_spool_begins_anew_when_its_journal_does_not_tell_the_layout(shelf: Shelf) -> None:
    """With its first record flipped, the rest may speak of anything."""
    with opened(shelf) as spool:
        fill(spool)
        journal = spool.paths.journal
    flip(journal, 20)
    with opened(shelf) as spool:
        assert spool.blank
        assert spool.damaged
        assert committed(spool) == [0, 0, 0]
        pull(spool, 1)
    with opened(shelf) as spool:
        assert committed(spool) == [0, LENGTHS[1], 0]


def test_spool_is_not_begun_anew_while_another_one_uses_it(shelf: Shelf) -> None:
    """Its journal would go on listing what the other writes into a file that is unlinked; afterwards it may."""
    with opened(shelf) as spool:
        pull(spool, 0)
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(InUse):
            shelf.open(NAME, lengths=LENGTHS, size=len(CONTENT), layout=OTHER)
        assert len(os.listdir("/proc/self/fd")) == before
        assert spool.paths.part.exists()
        pull(spool, 1)
    with opened(shelf) as spool:
        assert committed(spool) == [LENGTHS[0], LENGTHS[1], 0]
    with opened(shelf, layout=OTHER) as one, opened(shelf, layout=OTHER) as two:
        assert (one.blank, two.blank) == (True, False)
        assert not shelf.evict(NAME)


@pytest.mark.parametrize("seed", range(30))
def test_spool_never_proves_a_byte_that_was_not_pulled(shelf: Shelf, seed: int) -> None:
    """After lives that end anywhere, a flipped byte and a cut in either file: what is proven is what was pulled."""
    chance = random.Random(seed)
    for _life in range(4):
        spool = shelf.open(NAME, lengths=array("q", LENGTHS), size=len(CONTENT), layout=LAYOUT)
        prove(spool)
        for part, (at, _) in enumerate(PARTS):
            reached = spool.extents.proven[part]
            assert spool.read(at, reached) == CONTENT[at : at + reached]
        for _pull in range(chance.randrange(4)):
            part = chance.randrange(3)
            start = spool.extents.committed[part]
            if start < LENGTHS[part]:
                pull(spool, part, start, chance.randrange(start, LENGTHS[part]) + 1)
        spool.close()
        for path in (spool.paths.part, spool.paths.journal):
            size = path.stat().st_size
            match chance.choice(["flip", "cut", "neither", "neither"]):
                case "flip" if size:
                    flip(path, chance.randrange(size))
                case "cut":
                    os.truncate(path, chance.randrange(size + 1))


# -- another boot -----------------------------------------------------------------------------------------------------


def test_spool_knows_that_the_machine_was_booted_since(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power loss may have taken the journal's last records; another life in the same boot may not."""
    with opened(shelf) as spool:
        assert not spool.rebooted
    monkeypatch.setattr(spool_file, "boot_id", lambda: b"another boot....")
    with opened(shelf) as spool:
        assert spool.rebooted
    with opened(shelf) as spool:
        assert not spool.rebooted


def test_spool_begun_anew_knows_its_boot(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The boot is noted in the new journal as in the first one."""
    with opened(shelf):
        pass
    with opened(shelf, layout=OTHER):
        pass
    monkeypatch.setattr(spool_file, "boot_id", lambda: b"another boot....")
    with opened(shelf, layout=OTHER) as spool:
        assert spool.rebooted


def test_boot_id_is_that_of_the_machine() -> None:
    """16 bytes, the same at each call."""
    assert len(spool_file.boot_id()) == 16
    assert spool_file.boot_id() == spool_file.boot_id()


# -- finished ---------------------------------------------------------------------------------------------------------


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


# -- another process --------------------------------------------------------------------------------------------------


def test_spool_follows_what_another_one_pulls(shelf: Shelf) -> None:
    """What a live process journals may be read at once, without proof; settled members are told once."""
    with opened(shelf) as one, opened(shelf) as two:
        pull(one, 0)
        one.note(Settled(1, 8, 5, 5, 9))
        one.flush()
        assert two.follow() == [Settled(1, 8, 5, 5, 9)]
        assert list(two.extents.proven) == [LENGTHS[0], 0, 0]
        assert two.read(PARTS[0][0], LENGTHS[0]) == CONTENT[slice(*PARTS[0])]
        assert two.follow() == []
        pull(two, 1)
        assert one.follow() == []
        assert committed(one) == [LENGTHS[0], LENGTHS[1], 0]


def test_spool_follows_another_one_that_mends_what_an_earlier_life_left(shelf: Shelf) -> None:
    """What the other has dropped and pulled again is taken from it, not pulled a third time."""
    with opened(shelf) as spool:
        pull(spool, 0, 0, 40_000)
        pull(spool, 0, 40_000)
        part = spool.paths.part
    flip(part, PARTS[0][0] + 50_000)
    with opened(shelf) as mending, opened(shelf) as following:
        assert prove(mending) == [Drop(0, 40_000)]
        following.follow()
        assert committed(following)[0] == 40_000  # it is not said to be there
        pull(mending, 0, 40_000)
        following.follow()
        assert committed(following)[0] == 100_000
        assert prove(following) == []
        pull(mending, 1)
        mending.follow()  # its own records too
        assert committed(mending)[:2] == [100_000, 100_000]


def test_spool_keeps_what_it_has_proven_when_another_one_drops_it(shelf: Shelf) -> None:
    """What was read and agreed with its CRC is what was pulled, whatever another process saw later."""
    with opened(shelf) as spool:
        pull(spool, 0)
    with opened(shelf) as keeping, opened(shelf) as dropping:
        assert prove(keeping) == []
        dropping.drop(Drop(0, 0))
        dropping.flush()
        keeping.follow()
        assert committed(keeping)[0] == 100_000


def test_spool_sees_that_another_one_has_finished_it(shelf: Shelf) -> None:
    """The file that it has open is the one that was sealed."""
    with opened(shelf) as one, opened(shelf) as two:
        fill(one)
        one.finish(mtime=MTIME)
        assert not two.check_seal()
        two.follow()
        assert two.check_seal()
        assert (two.finished, two.sealed) == (True, True)


def test_spool_goes_on_when_its_file_is_taken_away(shelf: Shelf) -> None:
    """A deletion does not disturb the reads under way, nor does what they still fill in come back."""
    with opened(shelf) as spool:
        pull(spool, 0)
        shelf.remove(NAME)
        pull(spool, 1)
        assert spool.read(PARTS[0][0], LENGTHS[0]) == CONTENT[slice(*PARTS[0])]
    with opened(shelf) as spool:
        assert committed(spool) == [0, 0, 0]


def test_spool_lets_go_of_every_file_when_it_is_closed(shelf: Shelf) -> None:
    """Ten thousand opens leave no descriptor behind."""
    with opened(shelf) as spool:
        fill(spool)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with opened(shelf):
            pass
    assert len(os.listdir("/proc/self/fd")) == before
