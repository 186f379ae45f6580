"""The ports: where the bytes that are pulled for an archive are put, and read from again. Each user names its roles.

    Bytes     archive bytes in their places
    Records   what the journal says of them; handed up as they are, for the archive's ledger to apply
    Claims    which process pulls which part
    Flow      how far a pull may be ahead of its reader

file.py      the copy on disk, shared by every reader, process and later one
memory.py    where no copy is kept: a window that moves along with one reader
fake.py      the least that does it all, for tests

tests/contract/test_spools.py holds all of them to what is said here.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from streamzip.spans import Data
from streamzip.spool.journal import ArchiveRecord, Extent


class Bytes(Protocol):
    """Archive bytes. Only `read` and `disagrees` may wait for the disk: they are for a thread."""

    def write(self, offset: int, data: Data) -> None:
        """Put archive bytes in their place. OSError where the disk is full."""

    def write_around(self, pieces: Iterable[tuple[int, Data]]) -> None:
        """Put what stands around a member's bytes (offset, bytes) in its place. Nothing is written where a process
        finishes the copy: it has all of it then, and a write would break its seal. OSError where the disk is full.
        """

    def read_now(self, offset: int, length: int) -> Data | None:
        """Return up to `length` archive bytes, where they are at hand; None where the disk must be waited for."""

    def read(self, offset: int, length: int) -> Data:
        """Return up to `length` archive bytes."""

    def disagrees(self, extents: Sequence[Extent], at: int) -> Extent | None:
        """Return the first extent, of a part that begins at archive offset `at`, whose bytes have another CRC."""

    @property
    def sealed(self) -> bool:
        """Return whether this is a finished copy, proven whole: all of it may be read as it is."""

    @property
    def removed(self) -> bool:
        """Return whether the copy was deleted meanwhile, by whichever process."""

    def unseal(self) -> None:
        """Take the copy for proven no longer: damage was found in it."""


class Records(Protocol):
    """The journal, as far as it speaks of the archive."""

    def replay(self) -> Iterable[ArchiveRecord]:
        """Return, once, the records that earlier processes left when the spool was opened."""

    def follow(self) -> Iterable[ArchiveRecord]:
        """Return what was journalled since, by other processes; records of one's own may come again."""

    def add(self, record: ArchiveRecord) -> None:
        """Put a record beside the others; it is written with the next `flush`."""

    def flush(self) -> None:
        """Let other processes and later ones see what was added. OSError where the disk is full."""


class Claims(Protocol):
    """Who pulls which part."""

    def claim(self, part: int) -> bool:
        """Keep other processes from pulling the part; False where one pulls it."""

    def give_back(self, part: int) -> None:
        """Let other processes pull the part, from the next `flush` on."""


class Flow(Protocol):
    """How far a pull may be ahead."""

    @property
    def ahead(self) -> int:
        """Return how many bytes may be pulled ahead of a reader; what is on its way when they become fewer comes."""

    async def room(self, offset: int) -> None:
        """Wait until bytes at this archive offset may be written: a window must not run away from its reader."""

    def allow_ahead(self, size: int) -> None:
        """Bound by `size` bytes how far a pull may be ahead, where the bytes are held in memory for one reader."""

    def passed(self, offset: int) -> None:
        """Note that the reader has taken everything before this offset."""


class Spool(Bytes, Records, Claims, Flow, Protocol):
    """All four, as whoever holds a whole archive needs them."""

    @property
    def name(self) -> str:
        """Return the archive's hash."""
