"""The port: where the bytes that are pulled for an archive are put, and read from again.

file.py      the copy on disk, shared by every reader, process and later life
memory.py    where no copy is kept: a window that moves along with one reader
"""

from typing import Protocol

from streamzip.spans import Data
from streamzip.spool.extents import Extent, Extents
from streamzip.spool.journal import Begun, Drop, Pin, Record, Settled


class Spooling(Protocol):
    """What pulls and readers need of a spool. Only the methods said to be for a thread may wait for the disk."""

    name: str
    extents: Extents
    pins: dict[int, Pin]
    begun: dict[int, Begun]
    settled: dict[int, Settled]
    sealed: bool  # a finished copy, proven whole: all of it may be read as it is

    @property
    def ahead(self) -> int:
        """Bytes that may be pulled ahead of a reader; what is on its way when they become fewer still comes."""

    @property
    def removed(self) -> bool:
        """Whether the archive was deleted meanwhile, by whichever process."""

    def claim(self, part: int) -> bool:
        """Keep other processes from pulling the part; False where one pulls it."""

    def give_back(self, part: int) -> None:
        """Let other processes pull the part, from the next `flush` on."""

    def write(self, offset: int, data: Data) -> None:
        """Put archive bytes in their place. OSError where the disk is full."""

    def read_now(self, offset: int, length: int) -> Data | None:
        """Up to `length` archive bytes, where they are at hand; None where the disk must be waited for."""

    def read(self, offset: int, length: int) -> Data:
        """Up to `length` archive bytes; for a thread."""

    async def room(self, offset: int) -> None:
        """Wait until bytes at this archive offset may be written: a window must not run away from its reader."""

    def passed(self, offset: int) -> None:
        """The reader has taken everything before this offset."""

    def prove(self, part: int, at: int) -> Drop | None:
        """Check what an earlier life left of a part against its CRCs; for a thread."""

    def drop(self, drop: Drop) -> None:
        """Forget what was found damaged."""

    def note(self, record: Record) -> None:
        """Keep a fact about the archive beside its bytes."""

    def commit(self, extent: Extent) -> None:
        """List an extent whose bytes were written."""

    def flush(self) -> None:
        """Let other processes and later lives see what was listed."""

    def follow(self) -> list[Begun | Settled]:
        """Take up what other processes listed; the members of an open layout that have begun or settled, in order."""
