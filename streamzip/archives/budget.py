"""How many archives are kept: budgets for their number and their lists, for each owner and in all, and a time for those
that nobody reads.

A list stands in the store until somebody deletes it or its time is over, so whoever creates could fill the disk with
lists alone. With it counts all that grows with it: what its origins said of it, its receivers and what they are to be
told; and a web page that is to be read. What is kept is counted in the store now and then, and what this process adds
at once: several processes may pass a budget by what they add within COUNT_EVERY.
"""

from dataclasses import dataclass
from typing import Final

from streamzip.clock import Clock
from streamzip.errors import NoRoom
from streamzip.store.catalogue import Usage
from streamzip.store.repository import Repository

COUNT_EVERY: Final = 10.0  # seconds for which a count is good
FULL = "store_budget"  # the problem's code
RECOUNT_AFTER: Final = 1.0  # seconds, before a create is refused by a count that may be over


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept at most. `key`: of one API key's archives; 0 there for no limit of its own.

    `unread`: seconds that an archive without a time of its own stands while nobody reads it; None: for ever.
    """

    archives: int
    bytes: int
    key_archives: int = 0
    key_bytes: int = 0
    unread: float | None = None


class Budget:
    """The budgets of one process."""

    def __init__(self, repository: Repository, clock: Clock, keeping: Keeping) -> None:
        self._repository = repository
        self._clock = clock
        self.keeping = keeping
        self._counted_at = float("-inf")
        self._usage: dict[str | None, Usage] = {}

    def unread_until(self) -> float | None:
        """Return until when (epoch s) an archive that is created now stands while nobody reads it; None: for ever."""
        return None if self.keeping.unread is None else self._clock.wall() + self.keeping.unread

    async def take(self, owner: str | None, size: int) -> None:
        """Count one more archive whose list takes `size` bytes. Raises NoRoom, and counts nothing, where a budget has
        no room for it.
        """
        await self._take(owner, Usage(1, size))

    async def take_more(self, owner: str | None, size: int) -> None:
        """Count `size` bytes more of an archive that stands. Raises NoRoom as `take` does."""
        await self._take(owner, Usage(0, size))

    async def _take(self, owner: str | None, more: Usage) -> None:
        if self._clock.monotonic() - self._counted_at >= COUNT_EVERY:
            await self._count()
        full = self._full(owner, more)
        if full is not None and self._clock.monotonic() - self._counted_at >= RECOUNT_AFTER:
            await self._count()  # some may have been deleted
            full = self._full(owner, more)
        if full is not None:
            raise NoRoom(full, code=FULL)
        own = self._usage.get(owner, Usage(0, 0))
        self._usage[owner] = Usage(own.archives + more.archives, own.bytes + more.bytes)

    async def _count(self) -> None:
        self._usage = await self._repository.catalogue.usage()
        self._counted_at = self._clock.monotonic()

    def _full(self, owner: str | None, more: Usage) -> str | None:
        """Return what is to be said where there is no room, else None."""
        keeping, own = self.keeping, self._usage.get(owner, Usage(0, 0))
        archives = sum(usage.archives for usage in self._usage.values())
        taken = sum(usage.bytes for usage in self._usage.values())
        for used, wanted, most, what in (
            (own.archives, more.archives, keeping.key_archives if owner is not None else 0, "archives of one API key"),
            (own.bytes, more.bytes, keeping.key_bytes if owner is not None else 0, "bytes of one API key's lists"),
            (archives, more.archives, keeping.archives, "archives"),
            (taken, more.bytes, keeping.bytes, "bytes of archives' lists"),
        ):
            if most and wanted and used + wanted > most:
                return f"this gateway keeps no more than {most} {what}; delete some, or have them end by expires_in"
        return None
