"""The port that a pull puts its bytes through: the little of an archive that it may touch."""

from typing import Protocol

from streamzip.assembly.ledger import Ledger
from streamzip.assembly.signals import Signals
from streamzip.spans import Data
from streamzip.spool.journal import ArchiveRecord, Begun


class Sink(Protocol):
    """Where the bytes go."""

    def write(self, offset: int, data: Data) -> None:
        """Put archive bytes in their place. OSError where the disk is full."""

    async def room(self, offset: int) -> None:
        """Wait until bytes at this archive offset may be written."""

    def flush(self) -> None:
        """Let other processes and later ones see what was appended, now. OSError where the disk is full."""


class Intake(Protocol):
    """One archive, as a pull sees it. The ledger is asked, and told what has landed and which member is complete."""

    @property
    def ledger(self) -> Ledger:
        """Return what is known."""

    @property
    def spool(self) -> Sink:
        """Return where the bytes go."""

    @property
    def signals(self) -> Signals:
        """Return who waits."""

    async def placed(self, member: int) -> None:
        """Wait until the member's place is known."""

    async def prove(self, part: int) -> None:
        """Have what an earlier process left of the part compared with its CRCs."""

    def append(self, record: ArchiveRecord) -> None:
        """Apply a record, and journal it soon."""

    def flush(self) -> None:
        """Journal what was appended now; a full disk is only logged."""

    def begin(self, begun: Begun) -> None:
        """Write an open member's header."""

    def complete(self, member: int) -> bool:
        """Complete the member where all of its bytes are there."""
