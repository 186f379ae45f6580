"""Locks between processes: real ones, for a lock belongs to the kernel."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamzip.files.locks import FINISH, USE, InUse, LockFile, use

HOLDER = """
import sys
from pathlib import Path
from streamzip.files.locks import LockFile

locks = LockFile(Path(sys.argv[1]))
assert getattr(locks, sys.argv[2])(int(sys.argv[3]))
print("held", flush=True)
for line in sys.stdin:
    locks.release(int(sys.argv[3]))
    print("released", flush=True)
"""


@contextmanager
def held_elsewhere(path: Path, how: str, byte: int) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock until it is ended, or told to release it by a line."""
    command = [sys.executable, "-c", HOLDER, str(path), how, str(byte)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.lock"


def test_lock_excludes_another_process_from_its_byte_alone(path: Path) -> None:
    """A part that is pulled elsewhere is not pulled here; its neighbours may be."""
    with held_elsewhere(path, "try_exclusive", 7):
        locks = LockFile(path)
        assert not locks.try_exclusive(7)
        assert not locks.try_shared(7)
        assert all(locks.try_exclusive(byte) for byte in (0, 6, 8, FINISH, USE))
        locks.close()


def test_lock_is_free_once_its_holder_is_killed(path: Path) -> None:
    """kill -9 leaves nothing locked."""
    with held_elsewhere(path, "try_exclusive", 7) as process:
        locks = LockFile(path)
        assert not locks.try_exclusive(7)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert locks.try_exclusive(7)
        locks.close()


def test_lock_is_free_once_its_holder_releases_it(path: Path) -> None:
    """The next process takes it while the last one lives."""
    with held_elsewhere(path, "try_exclusive", FINISH) as process:
        locks = LockFile(path)
        assert not locks.try_exclusive(FINISH)
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "released\n"
        assert locks.try_exclusive(FINISH)
        locks.close()


def test_shared_lock_lets_readers_in_and_keeps_the_evictor_out(path: Path) -> None:
    """Any number of processes read; none evicts meanwhile."""
    with held_elsewhere(path, "try_shared", USE):
        locks = LockFile(path)
        assert not locks.try_exclusive(USE)
        assert locks.try_shared(USE)
        locks.close()


def test_locks_of_one_process_keep_two_openings_apart(path: Path) -> None:
    """An open-file-description lock belongs to the opening, not to the process: two gateways in one are as two."""
    one, two = LockFile(path), LockFile(path)
    assert one.try_exclusive(3)
    assert one.try_exclusive(3)
    assert not two.try_exclusive(3)
    one.close()
    assert two.try_exclusive(3)
    two.close()


def test_lock_of_the_last_part_is_not_that_of_finishing(path: Path) -> None:
    """Parts are counted in 32 bits; the other locks lie past any of them."""
    assert FINISH > 2**32
    assert USE > 2**32
    assert len({FINISH, USE}) == 2


def test_lock_is_not_left_to_a_child(path: Path) -> None:
    """A program that is started while a lock is held does not keep it alive."""
    locks = LockFile(path)
    assert locks.try_exclusive(1)
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "close_fds": False}
    with subprocess.Popen(command, **pipes) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        locks.close()
        again = LockFile(path)
        assert again.try_exclusive(1)
        again.close()
        child.kill()


def test_lock_fails_aloud_when_the_error_is_no_contention(path: Path) -> None:
    """A filesystem without locks is not taken for a busy one."""
    locks = LockFile(path)
    locks.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        locks.try_exclusive(1)


def test_lock_file_stays_when_it_is_closed(path: Path) -> None:
    """It is never unlinked: two processes must never lock two files of one name."""
    locks = LockFile(path)
    inode = os.stat(path).st_ino
    locks.close()
    again = LockFile(path)
    assert os.stat(path).st_ino == inode
    again.close()


def test_lock_is_seen_by_who_only_asks(path: Path) -> None:
    """Whether parts are being pulled is asked without taking their locks; who reads is not counted."""
    with closing(LockFile(path)) as asking, held_elsewhere(path, "try_exclusive", 7) as holder:
        assert asking.any_taken(0, USE)
        assert not asking.any_taken(0, 7)
        assert asking.try_shared(USE)
        holder.kill()
        holder.wait()
        assert not asking.any_taken(0, USE)


def test_use_opens_a_file_anew_that_was_removed_before_its_lock_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock of a file without a name guards nothing: who comes later makes another file, and locks that."""
    path, real, opened = tmp_path / "lock", os.open, []

    def remove_the_first(*given: Any) -> int:
        opened.append(real(*given))
        if len(opened) == 1:
            path.unlink()
        return opened[-1]

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", remove_the_first)
        locks = use(path)
    with closing(locks), closing(LockFile(path)) as other:
        assert len(opened) == 2
        assert locks.is_current()
        assert not other.try_exclusive(USE)
        path.unlink()
        assert not locks.is_current()


def test_use_refuses_what_another_has_alone(tmp_path: Path) -> None:
    """And leaves no descriptor behind."""
    path = tmp_path / "lock"
    with closing(LockFile(path)) as evictor:
        assert evictor.try_exclusive(USE)
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(InUse):
            use(path)
        assert len(os.listdir("/proc/self/fd")) == before


def test_use_waits_for_who_removes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes moments: nobody is told to come again because of it."""
    path = tmp_path / "lock"
    evictor = LockFile(path)
    assert evictor.try_exclusive(USE)
    waited: list[float] = []

    def end(seconds: float) -> None:
        waited.append(seconds)
        path.unlink()
        evictor.close()

    monkeypatch.setattr(time, "sleep", end)
    with closing(use(path, within=60)) as locks:
        assert locks.is_current()
    assert len(waited) == 1


CONTENDER = """
import os, sys, time
from contextlib import suppress
from pathlib import Path
from streamzip.files.locks import FINISH, USE, InUse, LockFile, use

path, alone = Path(sys.argv[1]), Path(sys.argv[1] + ".alone")
taken = 0
until = time.monotonic() + float(sys.argv[2])
while time.monotonic() < until:
    with suppress(InUse):
        locks = use(path)
        if locks.try_exclusive(0):
            os.close(os.open(alone, os.O_CREAT | os.O_EXCL))
            alone.unlink()
            taken += 1
        locks.close()
    with suppress(FileNotFoundError):
        locks = LockFile(path, create=False)
        if locks.try_exclusive(USE) and locks.is_current():
            path.unlink()
        locks.close()
print(taken)
"""


def test_part_has_one_puller_while_its_lock_file_is_removed_again_and_again(tmp_path: Path) -> None:
    """Three processes use the file, and remove it whenever they have it alone: what one of them alone may do is never
    done by two.
    """
    command = [sys.executable, "-c", CONTENDER, str(tmp_path / "lock"), "0.5"]
    pipe = subprocess.PIPE
    contenders = [subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    for contender in contenders:
        said, wrong = contender.communicate(timeout=60)
        assert contender.returncode == 0, wrong
        assert int(said) > 0
