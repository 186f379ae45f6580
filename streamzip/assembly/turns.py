"""One part's turn: pulled here, at its origin's lane and under its lock, or by another process that is followed."""

from streamzip.assembly.archive import Archive
from streamzip.assembly.kept import KeptBodies
from streamzip.assembly.part_writer import PartWriter
from streamzip.assembly.pulling import Pulling
from streamzip.origins.lanes import Urgent
from streamzip.origins.pull import Tries


class Turns:
    """The pulls of one archive. `bodies`: small members whose bytes the probe has kept."""

    def __init__(self, archive: Archive, pulling: Pulling, bodies: KeptBodies) -> None:
        self._archive = archive
        self._pulling = pulling
        self._bodies = bodies

    async def pull(self, part: int, *, urgent: Urgent, tries: Tries) -> None:
        """Have the part in the spool, pulled by this process or by another. See Puller."""
        archive, lanes = self._archive, self._pulling.lanes
        done = archive.ledger.extents.done
        if archive.ledger.unproven(part):
            await archive.prove(part)
        origin = self._origin(part)
        while not done[part]:
            await lanes.enter(origin, urgent)
            try:
                pulled = await self._under_lock(part, tries)
            finally:
                lanes.leave(origin)
            if not pulled:
                await self._follow(part)

    def hurry(self, part: int) -> None:
        """Give the part's origin to those that a reader waits for. See Puller."""
        self._pulling.lanes.nudge(self._origin(part))

    def _origin(self, part: int) -> str:
        archive = self._archive
        return self._pulling.registry.origin(archive.entry(archive.ledger.offsets.member_of(part)).url)

    async def _under_lock(self, part: int, tries: Tries) -> bool:
        archive = self._archive
        if not archive.spool.claim(part):
            return False
        try:
            archive.follow()
            if not archive.ledger.extents.done[part]:
                if archive.ledger.unproven(part):
                    await archive.prove(part)
                await self._writer(part, tries).write()
                archive.check_all_there()
            return True
        finally:
            archive.give_back(part)

    def _writer(self, part: int, tries: Tries) -> PartWriter:
        found = self._archive.ledger.offsets.part(part)
        entry = self._archive.entry(found.member)
        return PartWriter(self._archive, self._pulling, self._bodies, found, entry, tries)

    async def _follow(self, part: int) -> None:
        """Read the journal of the process that pulls this part, until the part is there or the process is gone."""
        archive = self._archive
        extents = archive.ledger.extents
        seen = extents.filled[part]
        while True:
            await archive.news()
            if extents.filled[part] > seen:
                seen = extents.filled[part]
                archive.signals.wake(part)
            if extents.done[part]:
                archive.check_all_there()
                return
            if archive.spool.claim(part):
                archive.give_back(part)
                return
