"""The shelf: the folder of spools, and the room they may take.

The budget counts what the files take on disk (sparse files count what is filled in). What nobody uses may be evicted:
unfinished copies first, then the finished ones that were used longest ago. Last use is the lock file's mtime: it
survives restarts and is the same for every process.
"""

import os
import shutil
import stat
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from streamzip.files.locks import USE, LockFile, use
from streamzip.spool.file import FileSpool, Paths

# A scan looks at every file. Where there are many, an eviction goes some way below the budget, so that not every
# further copy needs one.
MANY = 1000
SPARE = 50  # a fiftieth of the budget
LOOK_AGAIN = 1.0  # seconds
OPENS_WITHIN = 0.5  # seconds for which an archive that is just being evicted is waited for
BARE_FOR = 60.0  # seconds without a use after which a lock file without a copy goes; who opens one has it soon
BARE_AT_ONCE = 10_000  # of them that go in one look
RESERVE = 64 << 20  # bytes of the disk that copies leave free, at most a twentieth of it


@dataclass(frozen=True, slots=True)
class Held:
    """One archive's share of the shelf."""

    name: str
    taken: int  # bytes on disk
    finished: bool
    last_use: float
    bare: bool = False  # its lock file lies there, and nothing else


SCRATCH = 2 << 20  # bytes that are read at once, at most


class Shelf:
    """The spools beneath one folder. `budget`: bytes that they may take together; 0 keeps no copies.

    `grace`: seconds in which nothing is evicted after its last use, where nginx may still be about to open it.
    `shared`: the group of the folder may read the copies; else the gateway's user alone.
    """

    def __init__(self, root: Path, *, budget: int, grace: float = 60.0, shared: bool = False) -> None:
        self.root = root
        self._place = str(root)
        self._shared = shared
        self.budget = budget
        self.grace = grace
        self._disk: int | None = None  # bytes that it had at the last look for copies: taken by them, and free
        self._looked_at = 0.0

    @cached_property
    def _scratch(self) -> bytearray:
        """Return what is read into, made for the first copy that is opened."""
        return bytearray(SCRATCH)

    def paths(self, name: str) -> Paths:
        """Return where the archive's files lie; 256 folders keep each of them small."""
        return Paths(self.root / name[:2], name, self._shared)

    def shut_out(self) -> None:
        """Close the folder to other users of the machine, as older versions did not. OSError from the disk."""
        mode = stat.S_IMODE(self._made().stat().st_mode)
        if mode & 0o007:
            self.root.chmod(mode & (0o770 if self._shared else 0o700))

    @property
    def _folder_mode(self) -> int:
        return 0o750 if self._shared else 0o700

    def within_budget(self, size: int | None) -> bool:
        """Return whether a copy of this size may be kept, as far as the budget goes."""
        return self.budget > 0 and (size or 0) <= self.budget

    def takes(self, size: int | None) -> bool:
        """Return whether a copy of this size has room once all others have gone, in the budget and on the disk.

        For a thread, where the size is known: the disk is looked at again before it refuses. OSError from the disk.
        """
        if not size or not self.within_budget(size):
            return self.within_budget(size)
        if size > self.room():
            self.look()
        return size <= self.room()

    def room(self) -> int:
        """Return how many bytes the copies may take together: their budget, or what the disk had for them at the last
        look, if that is less. OSError from the disk.
        """
        if self._disk is None:
            self._see(0)
        return min(self.budget, self._disk or 0)

    def fits(self, size: int) -> bool:
        """Return whether the disk has this much for a copy without another one's going. OSError from the disk."""
        usage = shutil.disk_usage(self._made())
        return size <= usage.free - _reserve(usage.total)

    def look(self) -> None:
        """Look again what the disk has, unless that was just done; for a thread. OSError from the disk."""
        if time.monotonic() - self._looked_at >= LOOK_AGAIN:
            self._see(sum(each.taken for each in self.held()))
            self._looked_at = time.monotonic()

    def _see(self, taken: int) -> None:
        usage = shutil.disk_usage(self._made())
        self._disk = max(0, taken + usage.free - _reserve(usage.total))

    def _made(self) -> Path:
        self.root.mkdir(mode=self._folder_mode, parents=True, exist_ok=True)
        return self.root

    def open(self, name: str, *, size: int | None, layout: bytes) -> FileSpool:
        """Return the archive's spool, with a shared lock against eviction; for a thread. InUse where another process
        evicts it and does not end; OSError from the disk.
        """
        paths = self.paths(name)
        self._made()  # apart: folders that are made on the way to another one have no mode of ours
        paths.folder.mkdir(mode=self._folder_mode, exist_ok=True)
        locks = use(paths.lock, within=OPENS_WITHIN)
        try:
            os.utime(paths.lock)
            most, scratch = self.room() if size is None else size, self._scratch
            return FileSpool(paths, size=size, layout=layout, locks=locks, scratch=scratch, most=most)
        except BaseException:
            locks.close()
            raise

    def touch(self, name: str) -> None:
        """Note a use that this process does not see the end of (a hand-over to nginx)."""
        os.utime(self.paths(name).lock)

    def has_copy(self, name: str) -> bool:
        """Return whether the finished copy lies on disk."""
        return self.paths(name).finished.exists()

    def written(self, name: str) -> tuple[int, int] | None:
        """Return when the archive's journal was last written (ns), and its size; None where there is none."""
        try:  # many are asked for each second, and a Path costs five times the call
            stat = os.stat(f"{self._place}/{name[:2]}/{name}.journal")  # noqa: PTH116
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size

    def begun(self, name: str) -> bool:
        """Return whether a pass over the archive has left something on disk."""
        return self.paths(name).journal.exists()

    def pulled(self, name: str) -> bool:
        """Return whether some process pulls a part of the archive, or makes its finished copy, at this moment."""
        try:
            locks = LockFile(self.paths(name).lock, create=False)
        except FileNotFoundError:
            return False
        try:
            return locks.any_taken(0, USE)
        finally:
            locks.close()

    def remove(self, name: str) -> None:
        """Take the archive away, whoever reads it: open files go on until their readers leave. Then its lock file goes
        with the next look.
        """
        paths = self.paths(name)
        for path in (paths.finished, paths.part, paths.journal):
            path.unlink(missing_ok=True)
        self.evict(name)

    def distrust(self, name: str) -> None:
        """Have the finished copy compared with its CRCs by whoever opens it from now on, before he gives bytes of it
        out: its inode was changed since it was sealed.
        """
        finished = self.paths(name).finished
        with suppress(FileNotFoundError):
            finished.chmod(finished.stat().st_mode)  # not its time, from which nginx makes its ETag

    def evict(self, name: str) -> bool:
        """Remove all of the archive's files; False where somebody uses it."""
        paths = self.paths(name)
        while True:
            try:
                locks = LockFile(paths.lock, create=False)
            except FileNotFoundError:
                return True
            try:
                if not locks.try_exclusive(USE):
                    return False
                if locks.is_current():
                    # The lock file is the last: copies without one would be on no list of what is held.
                    for path in (paths.finished, paths.part, paths.journal, paths.lock):
                        path.unlink(missing_ok=True)
                    return True
            finally:
                locks.close()

    def share(self, name: str) -> Held:
        """Return what one archive has on the shelf, which may be nothing; for a thread."""
        paths, taken = self.paths(name), 0
        for path in (paths.finished, paths.part, paths.journal):
            with suppress(FileNotFoundError):
                taken += path.stat().st_blocks * 512
        try:
            last_use = paths.lock.stat().st_mtime
        except FileNotFoundError:
            last_use = 0.0
        return Held(name, taken, paths.finished.exists(), last_use)

    def held(self) -> list[Held]:
        """Return what lies on the shelf; for a thread."""
        found: list[Held] = []
        for folder in self.root.iterdir() if self.root.exists() else ():
            if not folder.is_dir():
                continue
            files: dict[str, os.stat_result] = {}
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # renamed or removed since it was listed
                        files[entry.name] = entry.stat()
            for file_name, lock in files.items():
                name, _, kind = file_name.partition(".")
                if kind != "lock":
                    continue
                copies = [files[f"{name}.{kind}"] for kind in ("zip", "part", "journal") if f"{name}.{kind}" in files]
                taken = sum(stat.st_blocks * 512 for stat in copies)
                found.append(Held(name, taken, f"{name}.zip" in files, lock.st_mtime, bare=not copies))
        return found

    def make_room(
        self,
        now: float,
        held: Sequence[Held],
        *,
        wanted: int = 0,
        spared: Collection[str] = (),
    ) -> tuple[list[str], int]:
        """Evict of what is `held` until `wanted` more bytes fit the budget: the names of what went, and the bytes that
        are left. Lock files that nobody uses, of archives that have no copy, go too.

        `now`: epoch seconds of this machine's own clock, for so are its files' times. `spared`: those that are to go
        first. In a thread.
        """
        taken = sum(each.taken for each in held)
        self._see(taken)
        self._looked_at = time.monotonic()
        over = taken + wanted - self.room()
        if over > 0 and len(held) > MANY:
            over += self.budget // SPARE
        gone: list[str] = []
        for each in sorted(held, key=lambda each: (each.name not in spared, each.finished, each.last_use)):
            if over <= 0:
                break
            just_used = 0 <= now - each.last_use < self.grace  # not where a clock that was set back says "tomorrow"
            if each.taken and not just_used and self.evict(each.name):
                over -= each.taken
                taken -= each.taken
                gone.append(each.name)
        bare = (each.name for each in held if each.bare and not 0 <= now - each.last_use < BARE_FOR)
        for name in islice(bare, BARE_AT_ONCE):
            self.evict(name)
        return gone, taken

    def free_space(self) -> int:
        """Return how many bytes the disk beneath the shelf still has."""
        return shutil.disk_usage(self._made()).free


def _reserve(total: int) -> int:
    """Return what copies leave free of a disk: the store lies on it as a rule, and a create must not fail because of
    them.
    """
    return min(RESERVE, total // 20)
