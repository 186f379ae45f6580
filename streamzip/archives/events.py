"""What happens to archives: one port, by which those that open, read and build them tell of it. Control flows down
everywhere else.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from streamzip.archives.finishing import Finished
from streamzip.store.rows import ArchiveRow
from streamzip.zip.layout import Layout


class Events(Protocol):
    """Takes note of what happens. Those that are awaited may raise the store's NotReady and Damaged."""

    def opened(self, archive_hash: str) -> None:
        """Take note that the archive was opened: its copy may need room."""

    def read_first(self, archive_hash: str) -> None:
        """Take note that an archive that would end for want of readers has one."""

    async def released(self, row: ArchiveRow, layout: Layout, *, kept: bool) -> bool:
        """Take note, before bytes of the archive are given out, that they are, by this layout; it has a reader then.
        Return False where that layout stands no more. `kept`: see Leases.released. Raises Elsewhere.
        """

    async def asked_anew(self, archive_hash: str, *, rounds: int) -> bool:
        """Take note that the layout of that round does not hold, and is void. Return False where bytes were given out
        by it: then it stands for ever.
        """

    async def completed(self, archive_hash: str, finished: Finished) -> None:
        """Take note of a full pass, whose copy, where one is kept, is durable. Raises Elsewhere where another node's
        bytes are the archive's: the copy is removed.
        """

    async def failed(self, archive_hash: str, code: str, *, for_good: bool) -> None:
        """Take note that the archive could not be made. Unless `for_good`, the next full pass takes it back."""

    async def evicted(self, archives: Collection[str]) -> None:
        """Take note that the copies of these were removed."""

    def disk_full(self, archive_hash: str) -> None:
        """Take note that the disk took no more of the archive's copy."""

    def queued(self, archive_hash: str) -> None:
        """Take note that a build in the background was queued, or taken out of the queue."""


@dataclass(slots=True)
class RecordedEvents:
    """Events that are only recorded, in order: the name of each and what it tells. Stands for the real ones in tests of
    one part.
    """

    told: list[tuple[Any, ...]] = field(default_factory=list)

    def opened(self, archive_hash: str) -> None:
        """See Events."""
        self.told.append(("opened", archive_hash))

    def read_first(self, archive_hash: str) -> None:
        """See Events."""
        self.told.append(("read_first", archive_hash))

    async def released(self, row: ArchiveRow, layout: Layout, *, kept: bool) -> bool:
        """See Events."""
        self.told.append(("released", row.hash))
        return row.rounds == layout.rounds

    async def asked_anew(self, archive_hash: str, *, rounds: int) -> bool:
        """See Events."""
        self.told.append(("asked_anew", archive_hash, rounds))
        return True

    async def completed(self, archive_hash: str, finished: Finished) -> None:
        """See Events."""
        self.told.append(("completed", archive_hash, finished))

    async def failed(self, archive_hash: str, code: str, *, for_good: bool) -> None:
        """See Events."""
        self.told.append(("failed", archive_hash, code, for_good))

    async def evicted(self, archives: Collection[str]) -> None:
        """See Events."""
        self.told.append(("evicted", *archives))

    def disk_full(self, archive_hash: str) -> None:
        """See Events."""
        self.told.append(("disk_full", archive_hash))

    def queued(self, archive_hash: str) -> None:
        """See Events."""
        self.told.append(("queued", archive_hash))
