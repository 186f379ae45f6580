"""A copy looked at from outside: nothing is written, no lock is taken, and whoever fills or reads it goes on."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from streamzip.spool.file import Paths
from streamzip.spool.journal import ArchiveRecord, FileState, decode


@dataclass(frozen=True, slots=True)
class Examined:
    """A copy as it was found. `layout`: the one that its journal follows; `records`: what that lists of the archive;
    `damaged`: whether others were cut or flipped.
    """

    fd: int
    finished: bool
    size: int
    layout: bytes | None
    records: tuple[ArchiveRecord, ...]
    damaged: bool


@contextlib.contextmanager
def examine(paths: Paths) -> Iterator[Examined | None]:
    """Give the copy, open for as long as the context lasts; None where there is none. OSError from the disk."""
    # The journal first: what it lists by now, the file has.
    try:
        journal = paths.journal.read_bytes()
    except FileNotFoundError:
        journal = b""
    fd, finished = _open(paths)
    if fd is None:
        yield None
        return
    try:
        records, _, damaged = decode(journal)
        state = FileState()
        listed = tuple(state.apply(records))
        yield Examined(fd, finished, os.fstat(fd).st_size, state.layout, listed, damaged)
    finally:
        os.close(fd)


def _open(paths: Paths) -> tuple[int | None, bool]:
    # Finished ones first and last: one that is renamed meanwhile is not missed.
    for path in (paths.finished, paths.part, paths.finished):
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), path == paths.finished
    return None, False
