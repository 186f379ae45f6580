"""Kernel locks between processes: open-file-description locks on bytes of a lock file.

Only who has USE alone may unlink the file. Who opened it before may get a lock of it afterwards, which guards nothing
any more: `use` opens such a file anew.

They die with their process, so nothing is ever left locked. A lock belongs to the open file description: within one
process, readers of one archive share it, and what keeps them apart is the table of pulls. No fork while locks are held
(a child would keep them alive).
"""

import asyncio
import errno
import fcntl
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_F_OFD_GETLK: Final = 36  # linux/fcntl.h; the fcntl module names them from Python 3.13 on
_F_OFD_SETLK: Final = 37
_FLOCK: Final = struct.Struct("hhqqi4x")
_BUSY: Final = (errno.EACCES, errno.EAGAIN)

_TRY_AGAIN: Final = 0.002  # seconds; in a thread that waits for a few unlinks of another

# Part k is guarded by byte k; these lie past any part.
FINISH: Final = 1 << 40  # making the finished copy of what is all there
USE: Final = FINISH + 1  # shared: somebody reads; exclusive: to evict or begin anew


class InUse(Exception):
    """Another process evicts this archive or begins it anew, or uses it while this one would."""


async def when_free(take: Callable[[], bool], every: float) -> None:
    """Take a lock as soon as it is free: `take` tries, every so many seconds, for the kernel tells nobody.

    Not in a thread that would wait for it: that could be the last one, which the lock's holder needs to go on.
    """
    while not take():  # noqa: ASYNC110 - see above
        await asyncio.sleep(every)


def try_flock(fd: int, *, shared: bool = False) -> bool:
    """Lock the whole open file, alone or with others that share it (flock(2)); False where another has it."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class LockFile:
    """The locks of one archive. FileNotFoundError where there is no file, and none is to be made."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)

    def is_current(self) -> bool:
        """Return whether the file still has its name. It stays so for whoever has USE."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def try_exclusive(self, byte: int) -> bool:
        """Take the byte for this process alone; False where another has it."""
        return self._set(fcntl.F_WRLCK, byte)

    def try_shared(self, byte: int) -> bool:
        """Take the byte together with others that share it; False where one has it alone."""
        return self._set(fcntl.F_RDLCK, byte)

    def any_taken(self, first: int, stop: int) -> bool:
        """Return whether another open of the file, in this process or another, has one of the bytes."""
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, first, stop - first, 0)
        kind: int = _FLOCK.unpack(fcntl.fcntl(self._fd, _F_OFD_GETLK, asked))[0]
        return kind != fcntl.F_UNLCK

    def release(self, byte: int, count: int = 1) -> None:
        """Give the byte back, and those after it where there are more."""
        self._set(fcntl.F_UNLCK, byte, count)

    def _set(self, kind: int, byte: int, count: int = 1) -> bool:
        try:
            fcntl.fcntl(self._fd, _F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, byte, count, 0))
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise
        return True

    def close(self) -> None:
        """Give everything back."""
        os.close(self._fd)


def use(path: Path, *, within: float = 0.0) -> LockFile:
    """Open a lock file that is current, and take USE together with others; for a thread. InUse where one has it alone
    for so many seconds: whoever removes files has it for moments.
    """
    deadline = time.monotonic() + within
    while True:
        locks = LockFile(path)
        try:
            taken = locks.try_shared(USE)
            if taken and locks.is_current():
                return locks
            if not taken and time.monotonic() >= deadline:
                raise InUse(path.stem)
        except BaseException:
            locks.close()
            raise
        locks.close()
        if not taken:
            time.sleep(_TRY_AGAIN)
