"""One part's turn: pulled here, at its origin's lane and under its lock, or by another process that is followed."""

from streamzip.assembly.archive import Archive
from streamzip.assembly.kept import KeptBodies
from streamzip.assembly.part_writer import PartWriter
from streamzip.assembly.pulling import Pulling
from streamzip.manifest.model import Entry
from streamzip.origins.lanes import Urgent
from streamzip.origins.pull import Tries
from streamzip.zip.offsets import Part


class Turns:
    """The pulls of one archive. `bodies`: small members whose bytes the probe has kept."""

    def __init__(self, archive: Archive, pulling: Pulling, bodies: KeptBodies) -> None:
        self._archive = archive
        self._pulling = pulling
        self._bodies = bodies

    async def pull(self, part: int, *, urgent: Urgent, tries: Tries) -> None:
        """Have the part in the spool, pulled by this process or by another. See Puller."""
        archive, lanes, ledger = self._archive, self._pulling.lanes, self._archive.ledger
        done = ledger.extents.done
        if ledger.unproven(part):
            await archive.prove(part)
        found = ledger.offsets.part(part)
        entry = archive.entry(found.member)
        origin = self._pulling.registry.origin(entry.url)
        while not done[part]:
            await lanes.enter(origin, urgent)
            try:
                pulled = await self._under_lock(found, entry, tries)
            finally:
                lanes.leave(origin)
            if not pulled:
                await self._follow(part)

    def hurry(self, part: int) -> None:
        """Give the part's origin to those that a reader waits for. See Puller."""
        archive = self._archive
        entry = archive.entry(archive.ledger.offsets.member_of(part))
        self._pulling.lanes.nudge(self._pulling.registry.origin(entry.url))

    async def _under_lock(self, part: Part, entry: Entry, tries: Tries) -> bool:
        archive, ledger, number = self._archive, self._archive.ledger, part.number
        if not archive.spool.claim(number):
            return False
        try:
            archive.follow()
            if not ledger.extents.done[number]:
                if ledger.unproven(number):
                    await archive.prove(number)
                await PartWriter(archive, self._pulling, self._bodies, part, entry, tries).write()
                archive.check_all_there()
            return True
        finally:
            archive.give_back(number)

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
