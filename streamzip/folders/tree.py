"""A folder of this machine: what lies in it, and its files, opened so that nothing outside of it can be reached.

Containment is the kernel's, not string work: every component is opened by itself, beneath the descriptor of the one
above it, with O_NOFOLLOW. The kernel follows no symlink; one that points to a place inside the folder is resolved here,
component by component, and stands for what it points to. All else is left out: links that lead out, nowhere or in
circles, FIFOs, sockets, devices; and what may not be read, which is told. A file is known by its identity: what is
opened later is what was listed, or nothing.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

# Each level of a walk holds a descriptor. Deeper trees are refused whole, not cut off: an archive is not to lie.
MOST_DEEP = 100
_MOST_LINKS = 40  # of one chain, as the kernel has it (path_resolution(7))

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO that was put in a file's place would wait for its writer, for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# What opening says of an entry that is gone, or has become something else, since it was listed.
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
# What says nothing of the entry: this process, or the machine, has too little of something now.
_SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR})

Chain = tuple[tuple[int, int], ...]


class TooDeep(Exception):
    """The tree has more than MOST_DEEP levels."""


class TooMany(Exception):
    """The tree holds more than was asked for."""


class Changed(Exception):
    """A file is not what it was when the folder was listed."""


class Identity(NamedTuple):
    """What tells one state of a file from another; ctime, because mtime can be set back."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Found(NamedTuple):
    """One file, or one folder that holds nothing."""

    name: str  # in the folder, its parts apart by `/`; bytes that are no UTF-8 as surrogates (PEP 383)
    path: str  # where it really lies in the folder: another place than `name` where that is or holds a link
    identity: Identity
    folder: bool = False

    @property
    def size(self) -> int:
        """Return how many bytes it holds; 0 for a folder."""
        return 0 if self.folder else self.identity.size


class Folder:
    """One folder, held open; used by one thread at a time. `close` it at the end."""

    def __init__(self, root: Path, name: str) -> None:
        """Open the direct child `name` of `root`. Raises OSError, and ValueError where the name can be none."""
        if not name or name in (".", "..") or "/" in name or "\0" in name:
            raise ValueError("no name of a folder")
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._fd = os.open(name, _FOLDER, dir_fd=top)
        finally:
            os.close(top)
        self._parent = ("", os.dup(self._fd))  # the folder that the last file was opened in
        self.unreadable: list[str] = []  # what the listing had to leave out, by its name in the folder

    def close(self) -> None:
        """Let it go."""
        os.close(self._parent[1])
        os.close(self._fd)

    def listing(self, *, most: int) -> list[Found]:
        """Return every file, and every folder without one, in an order that depends on their names alone.

        What is in it and cannot be read is left out, and stands in `unreadable`. `most`: files, folders and links that
        may be looked at. Raises TooMany, TooDeep, and OSError where the folder itself cannot be read, or nothing can
        be read now.
        """
        self.unreadable.clear()
        return list(_Walk(self, most).beneath(self._fd, "", "", ()))

    def open(self, found: Found) -> int:
        """Return a descriptor of a listed file. Raises Changed where it is gone, or another one, or cannot be read."""
        above, _, last = found.path.rpartition("/")
        try:
            if above != self._parent[0]:
                fd = self.descend(above)
                os.close(self._parent[1])
                self._parent = (above, fd)
            fd = os.open(last, _FILE, dir_fd=self._parent[1])
        except OSError as error:
            raise Changed(str(error.strerror)) from error
        try:
            check(fd, found)
        except BaseException:
            os.close(fd)
            raise
        return fd

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """Give a descriptor of the folder at `path`, whose components are no links. Raises OSError."""
        fd = self.descend(path)
        try:
            yield fd
        finally:
            os.close(fd)

    def descend(self, path: str) -> int:
        """Return a new descriptor of the folder at `path`, whose components are no links. Raises OSError."""
        fd = os.dup(self._fd)
        for part in path.split("/") if path else ():
            above = fd
            try:
                fd = os.open(part, _FOLDER, dir_fd=above)
            finally:
                os.close(above)
        return fd

    @property
    def real_path(self) -> str:
        """Return where the folder lies on this machine."""
        return str(Path(f"/proc/self/fd/{self._fd}").readlink())


def check(fd: int, found: Found) -> None:
    """Raise Changed unless the open file still is the one that was listed, untouched since."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or _identity(status) != found.identity:
        raise Changed("it is another one now")


def _identity(status: os.stat_result) -> Identity:
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class _Walk:
    """One pass over a folder."""

    def __init__(self, folder: Folder, most: int) -> None:
        self._folder = folder
        self._left = most

    def beneath(self, fd: int, name: str, path: str, above: Chain) -> Iterator[Found]:
        """Yield what lies in the open folder `fd`, which stands at `name` and lies at `path`, both with a slash behind;
        `above`: the folders that it is in.
        """
        if len(above) > MOST_DEEP:
            raise TooDeep
        status, empty = os.fstat(fd), True
        chain = (*above, (status.st_dev, status.st_ino))
        try:
            entries = self._entries(fd, name)
        except OSError as error:
            if not name:
                raise
            self._leave_out(name, error)
            return
        for entry, entry_status in entries:
            for found in self._one(fd, entry, entry_status, name, path, chain):
                empty = False
                yield found
        if empty and name:
            yield Found(name[:-1], path[:-1], _identity(status), folder=True)

    def _entries(self, fd: int, name: str) -> list[tuple[str, os.stat_result]]:
        rows = []
        with os.scandir(fd) as entries:
            for entry in entries:
                self._count()
                try:
                    rows.append((entry.name, entry.stat(follow_symlinks=False)))
                except OSError as error:
                    self._leave_out(name + entry.name, error)
        return sorted(rows, key=lambda row: row[0])

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooMany

    def _one(self, fd: int, entry: str, status: os.stat_result, name: str, path: str, chain: Chain) -> Iterator[Found]:
        if stat.S_ISREG(status.st_mode):
            if self._may_read(name + entry, fd, entry):
                yield Found(name + entry, path + entry, _identity(status))
        elif stat.S_ISDIR(status.st_mode):
            try:
                inner = os.open(entry, _FOLDER, dir_fd=fd)
            except OSError as error:
                self._leave_out(f"{name}{entry}/", error)
                return
            try:
                yield from self.beneath(inner, f"{name}{entry}/", f"{path}{entry}/", chain)
            finally:
                os.close(inner)
        elif stat.S_ISLNK(status.st_mode):
            yield from self._linked(name + entry, path + entry, chain)

    def _linked(self, name: str, path: str, chain: Chain) -> Iterator[Found]:
        """Yield what a link stands for."""
        try:
            real = self._resolve(path)
            if real is None:
                return
            above, _, last = real.rpartition("/")
            with self._folder.opened(above) as parent:
                status = os.stat(last or ".", dir_fd=parent, follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    if self._may_read(name, parent, last):
                        yield Found(name, real, _identity(status))
                    return
            if not stat.S_ISDIR(status.st_mode) or (status.st_dev, status.st_ino) in chain:
                return
            inner = self._folder.descend(real)
        except OSError as error:
            self._leave_out(name, error)
            return
        try:
            yield from self.beneath(inner, f"{name}/", f"{real}/" if real else "", chain)
        finally:
            os.close(inner)

    def _may_read(self, name: str, fd: int, entry: str) -> bool:
        """Return whether the file `entry` of the open folder may be read; one that may not is left out."""
        may = os.access(entry, os.R_OK, dir_fd=fd, effective_ids=True, follow_symlinks=False)
        if not may:
            self._folder.unreadable.append(name)
        return may

    def _leave_out(self, name: str, error: OSError) -> None:
        """Note what cannot be read, unless it is gone: a listing is a moment's. Raises the error of a shortage."""
        if error.errno in _SHORTAGE:
            raise error
        if error.errno not in _GONE:
            self._folder.unreadable.append(name)

    def _resolve(self, path: str) -> str | None:
        """Return where `path` really leads; None where that is not in the folder. Raises OSError where it leads
        nowhere.
        """
        at: list[str] = []
        ahead, links = path.split("/")[::-1], 0
        while ahead:
            part = ahead.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not at:
                    return None
                at.pop()
                continue
            target = self._target("/".join(at), part)
            if target is None:
                at.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                return None
            if target.startswith("/"):
                top = self._folder.real_path + "/"
                if not target.startswith(top):
                    return None
                at, target = [], target.removeprefix(top)
            ahead.extend(target.split("/")[::-1])
        return "/".join(at)

    def _target(self, path: str, part: str) -> str | None:
        """Return what the link `part` in the folder at `path` points to; None where it is no link."""
        self._count()
        with self._folder.opened(path) as fd:
            status = os.stat(part, dir_fd=fd, follow_symlinks=False)
            return os.readlink(part, dir_fd=fd) if stat.S_ISLNK(status.st_mode) else None
