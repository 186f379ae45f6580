"""The spool of one archive: the sparse file that fills in to become the archive, its journal and its locks.

    <hash>.part      the archive, filling in; renamed to <hash>.zip when all of it is there and durable
    <hash>.journal   what of it is proven, kept beside the finished copy too
    <hash>.lock      the kernel locks; unlinked with the other files, by whoever has the archive alone

No bytes on disk are trusted because they are there: extents that an earlier process left are read and compared with
the CRC that their pull computed before they are used, and a finished copy needs that too unless it still is the very
file that was sealed (size, mtime, ctime and inode). A CRC is never derived from bytes on disk alone: that would give
damage a valid checksum.

Of the journal's records those of the file itself are read here (which layout it follows, in which boot of the machine
it was written, whether it was sealed). What they say of the archive is handed up.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from isal import isal_zlib

from streamzip.files.durable import sync_folder
from streamzip.files.locks import FINISH, USE, InUse, LockFile
from streamzip.spans import Data
from streamzip.spool.journal import ArchiveRecord, Boot, Extent, FileState, Head, Journal, Seal

_PROOF_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Paths:
    """Where one archive's files lie. `shared`: their group may read them, for the nginx that sends them."""

    folder: Path
    name: str
    shared: bool = False

    @property
    def mode(self) -> int:
        """Return the mode of the copy's file."""
        return 0o640 if self.shared else 0o600

    @property
    def part(self) -> Path:
        """Return the archive while it fills in."""
        return self.folder / f"{self.name}.part"

    @property
    def finished(self) -> Path:
        """Return the archive when it is whole and durable."""
        return self.folder / f"{self.name}.zip"

    @property
    def journal(self) -> Path:
        """Return what of it is proven."""
        return self.folder / f"{self.name}.journal"

    @property
    def lock(self) -> Path:
        """Return the kernel locks."""
        return self.folder / f"{self.name}.lock"


@cache
def boot_id() -> bytes:
    """Return what names this boot of the machine, 16 bytes: proc(5), /proc/sys/kernel/random/boot_id."""
    return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))


class FileSpool:
    """One archive's copy on disk, open in this process. Its calls are short, except `disagrees`, `read` and `finish`.

    `most`: bytes that the file may have. `scratch`: memory that `read_now` reads into, shared by all the spools of the
    loop. It bounds what is read at once.
    """

    ahead = 1 << 62  # there is no memory to bound, and the disk has its own

    def __init__(
        self,
        paths: Paths,
        *,
        size: int | None,
        layout: bytes,
        locks: LockFile,
        scratch: bytearray,
        most: int,
    ) -> None:
        self.name: str = paths.name
        self._most = most
        self.paths = paths
        self.locks = locks
        self._scratch = scratch
        self._layout = layout
        self._state = FileState()
        self._finishing = False  # by this process: it has the FINISH lock
        self._given_back: set[int] = set()  # parts whose locks are released once what was noted is written
        self._left: list[ArchiveRecord] = []  # read from the journal, and not handed up yet
        self._journal = Journal(paths.journal)
        try:
            self._open_journal(layout)
            self.finished: bool
            self._fd, self.finished = self._open_file()
        except BaseException:
            self._journal.abandon()
            raise
        stat = os.fstat(self._fd)
        if size is not None and stat.st_size < size:
            os.ftruncate(self._fd, size)
        self.sealed: bool = self.finished and self._state.seal == Seal.of(stat)

    def _open_journal(self, layout: bytes) -> None:
        self._left.extend(self._state.apply(self._journal.follow()))
        # Nothing of what earlier processes did is known (a first open, an eviction, a journal lost or of another one).
        self.blank: bool = self._state.layout != layout
        if self.blank:
            self._begin_anew()
        # A power loss may have taken the journal's last records: what they pinned is no longer known.
        self.rebooted: bool = self._state.boot not in (b"", boot_id())
        if self._state.boot != boot_id():
            self._journal.add(Boot(boot_id()))
            self._journal.flush()

    def _begin_anew(self) -> None:
        """Begin anew: without a journal, or with one of another layout, whatever lies here is void."""
        if self._state.layout is not None or self._journal.damaged:
            # Alone: another process would go on listing what it writes into the file that is unlinked here.
            if not self.locks.try_exclusive(USE):
                raise InUse(self.name)
            self.paths.part.unlink(missing_ok=True)
            self.paths.finished.unlink(missing_ok=True)
            self._journal.truncate()
            self._left.clear()
            self._state = FileState()
        self._journal.add(Head(self._layout))
        self._journal.flush()
        self.locks.try_shared(USE)

    def _open_file(self) -> tuple[int, bool]:
        flags = os.O_RDWR | os.O_CLOEXEC
        while True:
            for path, finished in ((self.paths.finished, True), (self.paths.part, False)):
                try:
                    return os.open(path, flags), finished
                except FileNotFoundError:
                    continue
            # Created only under the lock that guards the rename: otherwise a second, empty file could appear beside a
            # finished one.
            if self.locks.try_exclusive(FINISH):
                try:
                    if not self.paths.finished.exists():
                        return os.open(self.paths.part, flags | os.O_CREAT, self.paths.mode), False
                finally:
                    self.locks.release(FINISH)

    # -- the journal -------------------------------------------------------------------------------------

    def replay(self) -> Iterable[ArchiveRecord]:
        """Return, once, the records that earlier processes left when the spool was opened."""
        left, self._left = self._left, []
        return left

    def follow(self) -> Sequence[ArchiveRecord]:
        """Return what was journalled of the archive since the last call; records of one's own may be among it."""
        records = self._journal.follow()
        if not records and not self._left:  # before most parts: nobody else writes
            return ()
        left, self._left = self._left, []
        return [*left, *self._state.apply(records)]

    @property
    def damaged(self) -> bool:
        """Return whether records of the journal were found cut or flipped."""
        return self._journal.damaged

    def add(self, record: ArchiveRecord) -> None:
        """Put a record beside the others; it is written with the next `flush`."""
        self._journal.add(record)

    def claim(self, part: int) -> bool:
        """Take the part's lock; False where another process has it."""
        self._given_back.discard(part)
        return self.locks.try_exclusive(part)

    def give_back(self, part: int) -> None:
        """Release the part's lock with the next flush: sooner, another process would have it, see nothing of what was
        pulled, and pull it again.
        """
        self._given_back.add(part)

    def flush(self) -> None:
        """Write what was noted, so that other processes and later ones see it. OSError where the disk is full."""
        try:
            self._journal.flush()
        finally:
            if self._given_back:
                given_back, self._given_back = self._given_back, set()
                for first, count in _runs(sorted(given_back)):
                    self.locks.release(first, count)

    # -- the bytes ---------------------------------------------------------------------------------------

    def write(self, offset: int, data: Data) -> None:
        """Put archive bytes in their place. OSError where the disk is full, or the file gets longer than it may."""
        if offset + len(data) > self._most:
            raise OSError(errno.EDQUOT, "the copy would take more than all copies may")
        done = os.pwrite(self._fd, data, offset)
        while done < len(data):
            data = memoryview(data)[done:]
            offset += done
            done = os.pwrite(self._fd, data, offset)

    def write_around(self, pieces: Iterable[tuple[int, Data]]) -> None:
        """Put what stands around a member's bytes in its place, unless a process finishes the copy or has finished it.

        Every process writes this for itself, of what it proved itself: so one may come to it when another has sealed
        the file already.
        """
        if self._finishing or self.sealed or not self.locks.try_shared(FINISH):
            return
        try:
            self._left.extend(self._state.apply(self._journal.follow()))
            if not self.check_seal():
                for offset, data in pieces:
                    self.write(offset, data)
        finally:
            self.locks.release(FINISH)

    def read_now(self, offset: int, length: int) -> bytes | None:
        """Archive bytes if the page cache has them, as many as it has; None where the disk must be waited for."""
        with memoryview(self._scratch)[:length] as buffer:
            try:
                count = os.preadv(self._fd, [buffer], offset, os.RWF_NOWAIT)
            except BlockingIOError:
                return None
            except OSError:  # tmpfs, overlays: ENOTSUP
                return None
            return bytes(buffer[:count])

    def read(self, offset: int, length: int) -> bytes:
        """Archive bytes, waiting for the disk; for a thread."""
        return os.pread(self._fd, length, offset)

    async def room(self, offset: int) -> None:
        """There is always room for the next bytes, until the disk says otherwise."""

    def allow_ahead(self, size: int) -> None:
        """Bound nothing: there is no memory to bound."""

    def passed(self, offset: int) -> None:
        """Drop nothing: what a reader has taken stays for the others."""

    def disagrees(self, extents: Sequence[Extent], at: int) -> Extent | None:
        """Return the first extent, of a part that begins at archive offset `at`, whose bytes have another CRC; for a
        thread.
        """
        for extent in extents:
            crc, position, stop = 0, at + extent.start, at + extent.stop
            while position < stop:
                block = os.pread(self._fd, min(_PROOF_BLOCK, stop - position), position)
                if not block:
                    break
                crc = isal_zlib.crc32(block, crc)
                position += len(block)
            if position < stop or crc != extent.crc:
                return extent
        return None

    def unseal(self) -> None:
        """Take the copy for proven no longer, until it is finished again."""
        self.sealed = False

    def begin_finish(self) -> bool:
        """Keep other processes from finishing the copy, and from writing around members; False where one does."""
        self._finishing = self.locks.try_exclusive(FINISH)
        return self._finishing

    def end_finish(self) -> None:
        """Let other processes see that the copy is finished, or finish it."""
        self.locks.release(FINISH)
        self._finishing = False

    def finish(self, *, mtime: int) -> Seal:
        """Make the file durable under its final name; for a thread, after `begin_finish`. `mtime`: epoch seconds.

        fsync, then the time, then the rename, then the folder: whatever carries the final name after a power loss is
        whole. Raises FileNotFoundError where the copy was removed: what has its name now is not this file.
        """
        if self.removed:
            raise FileNotFoundError(errno.ENOENT, "the copy was removed")
        os.fsync(self._fd)
        os.utime(self._fd, (mtime, mtime))
        if not self.finished:
            self.paths.part.rename(self.paths.finished)
            self.finished = True
        seal = Seal.of(os.fstat(self._fd))
        self._journal.add(seal)
        self._journal.flush()
        self._journal.sync()
        sync_folder(self.paths.folder)
        self._state.seal, self.sealed = seal, True
        return seal

    def check_seal(self) -> bool:
        """Return whether another process has finished the file meanwhile; what it sealed is then read without proof."""
        if not self.sealed and self._state.seal is not None and self._state.seal == Seal.of(os.fstat(self._fd)):
            self.finished = self.sealed = True
        return self.sealed

    def truncate(self, size: int) -> None:
        """Give the file its final length, once that is known."""
        os.ftruncate(self._fd, size)

    @property
    def removed(self) -> bool:
        """Return whether the file has no name on disk any more: the archive was deleted, perhaps by another process."""
        return os.fstat(self._fd).st_nlink == 0

    def close(self) -> None:
        """Let go of the files; the shared use lock ends with it."""
        self._given_back.clear()  # they end with the open file
        try:
            self._journal.close()
        finally:
            os.close(self._fd)
            self.locks.release(USE)
            self.locks.close()


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as runs: the first of each, and how many follow on each other."""
    first = count = 0
    for number in numbers:
        if count and number == first + count:
            count += 1
            continue
        if count:
            yield first, count
        first, count = number, 1
    if count:
        yield first, count
