"""The copy in another life: nothing in it is used that was not proven."""

import os
import random
import signal
import subprocess
import sys
from array import array

import pytest

from streamzip.files.locks import InUse
from streamzip.spool import file as spool_file
from streamzip.spool.journal import Drop, Ended, Extent, Pin
from streamzip.spool.shelf import Shelf
from tests.unit.spool.builders import (
    CONTENT,
    LAYOUT,
    LENGTHS,
    MTIME,
    NAME,
    OTHER,
    PARTS,
    Kept,
    committed,
    fill,
    flip,
    opened,
    prove,
    pull,
)


def test_spool_of_an_earlier_life_is_used_after_proof(shelf: Shelf) -> None:
    """What was journalled is there, unproven; its bytes agree with their CRCs, and then it is proven."""
    with opened(shelf) as spool:
        pull(spool, 0, 0, 40_000)
        pull(spool, 0, 40_000, 90_000)
        pull(spool, 2)
        spool.append(Pin(2, True, '"v1"'))
        spool.append(Ended(2, 8, 5, 5, 9))
    with opened(shelf) as spool:
        assert (spool.blank, spool.rebooted, spool.damaged) == (False, False, False)
        assert committed(spool) == [90_000, 0, LENGTHS[2]]
        assert list(spool.extents.proven) == [0, 0, 0]
        assert prove(spool) == []
        assert list(spool.extents.proven) == [90_000, 0, LENGTHS[2]]
        assert spool.ledger.pins == {2: Pin(2, True, '"v1"')}
        assert spool.left[-2:] == [Pin(2, True, '"v1"'), Ended(2, 8, 5, 5, 9)]


KILLED = """
import os, signal, sys
from pathlib import Path
from streamzip.spool.shelf import Shelf
from tests.unit.spool.builders import CONTENT, PARTS, opened, pull

opening = opened(Shelf(Path(sys.argv[1]), budget=1 << 30))
spool = opening.__enter__()
assert spool.claim(1)
pull(spool, 0)
pull(spool, 1, 0, 50_000)
spool.write(PARTS[1][0] + 50_000, CONTENT[:30_000])  # wrong bytes, written and never listed
spool.ledger.landed(1, 30_000)
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
        assert committed(spool) == list(LENGTHS)


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
        spool.append(Pin(2, True, '"v1"'))
        spool.append(Ended(2, 8, 5, 5, 9))
        spool.append(Drop(2, 0))
        if finished:
            spool.finish(mtime=MTIME)
    with opened(shelf, layout=OTHER, lengths=array("q", [1000] * parts)) as spool:
        assert spool.blank
        assert (spool.finished, spool.sealed) == (False, False)
        assert committed(spool) == [0] * parts
        assert (spool.left, spool.ledger.pins) == ([], {})
        assert not spool.paths.finished.exists()
        assert spool.paths.part.stat().st_blocks == 0
        spool.append(Extent(0, 0, 1000, 7))
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
            shelf.open(NAME, size=len(CONTENT), layout=OTHER)
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
        spool = Kept(shelf.open(NAME, size=len(CONTENT), layout=LAYOUT), LENGTHS)
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
