"""One archive here, filling in: its ledger, its spool, and who waits for either.

There is no build to own or hand over: what is pulled by whom is in wants.py and turns.py. Here a record is applied and
journalled in one step, what other processes journalled is applied too, and readers are woken.
"""

import asyncio
import errno
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

from streamzip.assembly.ledger import Ledger
from streamzip.assembly.proof import Proofs
from streamzip.assembly.signals import Signals
from streamzip.errors import NotFound, OriginError, Problem, Stale
from streamzip.files.durable import DISK_FULL
from streamzip.logs import event
from streamzip.manifest.model import Entry, Manifest
from streamzip.spool.journal import ArchiveRecord, Begun, Drop, Ended
from streamzip.spool.port import Spool
from streamzip.zip.layout import Trait

logger = logging.getLogger(__name__)


FOLLOW_INTERVAL = 0.02  # seconds between looks into the journal while another process pulls what is wanted


class Archive:
    """The archive's state in this process, shared by its readers. `pool` runs what waits for the disk.

    `on_all_there` is called, perhaps more than once, when the last part is done.
    """

    def __init__(
        self,
        *,
        manifest: Manifest,
        ledger: Ledger,
        spool: Spool,
        pool: Executor,
        on_all_there: Callable[[], None],
    ) -> None:
        self.manifest = manifest
        self.layout = ledger.layout
        self.ledger = ledger
        self.spool = spool
        self.learned = 0  # the last fact of another node that its ledger has
        self.signals = Signals()
        self._proofs = Proofs(ledger, spool, pool, self._drop)
        self._on_all_there = on_all_there
        self._looks: list[asyncio.Future[None]] = []
        self._flush_due = False
        self._cut: Problem | None = None

    def entry(self, member: int) -> Entry:
        """Return what the client asked for."""
        return self.manifest.entries[self.layout.entries[member]]

    # -- records -----------------------------------------------------------------------------------------

    def append(self, record: ArchiveRecord) -> None:
        """Apply a record of this process, and journal it: at the end of this turn of the loop, all with one write."""
        self._apply(record)
        self.spool.add(record)
        if not self._flush_due:
            self._flush_soon()

    def follow(self) -> None:
        """Apply what other processes journalled. OSError from the disk."""
        for record in self.spool.follow():
            self._apply(record)

    def _apply(self, record: ArchiveRecord) -> None:
        self.ledger.apply(record, trusted=True)
        if isinstance(record, Ended):
            self.signals.wake_places()

    def give_back(self, part: int) -> None:
        """Let other processes pull the part, as soon as what this one listed of it is written."""
        self.spool.give_back(part)
        if not self._flush_due:
            self._flush_soon()

    def flush(self) -> None:
        """Write what was appended now: before another process may act on its absence. A full disk is only logged."""
        self._flush_due = False
        if self._cut is not None:
            return  # it is void, and may be closed by now
        try:
            self.spool.flush()
        except OSError as error:
            if error.errno not in DISK_FULL | {errno.EIO}:
                raise
            event(logger, logging.WARNING, "journal_not_written", archive=self.spool.name, error=error.strerror)

    def _flush_soon(self) -> None:
        self._flush_due = True
        asyncio.get_running_loop().call_soon(self.flush)

    async def news(self) -> None:
        """Wait for the next look into the journal: one, however many parts are followed. OSError from the disk."""
        look: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._looks:
            asyncio.get_running_loop().call_later(FOLLOW_INTERVAL, self._look)
        self._looks.append(look)
        await look

    def _look(self) -> None:
        looks, self._looks = [look for look in self._looks if not look.done()], []
        if not looks:
            return  # the journal may be closed by now
        try:
            self.follow()
        except OSError as error:
            for look in looks:
                look.set_exception(error)
        else:
            for look in looks:
                look.set_result(None)

    # -- what a pull brings ------------------------------------------------------------------------------

    async def placed(self, member: int) -> None:
        """Wait until the member's place is known: all before it have ended."""
        while self.ledger.offsets.placed < member:
            await self.signals.place()

    def begin(self, begun: Begun) -> None:
        """Write an open member's header; it may be read from now on."""
        offsets, member = self.ledger.offsets, begun.member
        size, stored = max(offsets.sizes[member], 0), max(offsets.stored[member], 0)
        header = offsets.header_as(member, traits=begun.traits, size=size, stored=stored, crc=0)
        self.spool.write(offsets.offset(member), header)
        self.ledger.began(begun)

    def complete(self, member: int) -> bool:
        """Complete the member where all of its bytes are there and proven: put its header and descriptor into the file.

        False where something is missing still. A CRC that is not the expected one raises, and its bytes are dropped.
        """
        ledger = self.ledger
        if ledger.complete[member]:
            return True
        if not ledger.done(member) or any(map(ledger.unproven, ledger.offsets.parts_of(member))):
            return False
        crc = ledger.crc_of(member)
        try:
            ledger.check_crc(member, crc)
        except (OriginError, Stale) as error:
            for part in ledger.offsets.parts_of(member):
                self._drop(part, 0)
            if ledger.released and isinstance(error, OriginError) and not ledger.strong(member):
                # Pulled again it could have the right CRC, and be spliced to what was given out.
                name = self.layout.names[member]
                raise Stale(f"{name}: {error.message}, after bytes of it were given out") from error
            raise
        self.spool.write_around(self._around(member, crc))
        ledger.completed(member, crc)
        return True

    def _around(self, member: int, crc: int) -> Iterator[tuple[int, bytes]]:
        offsets = self.ledger.offsets
        header, descriptor = offsets.header(member, crc), offsets.descriptor(member, crc)
        body = self.layout.report if offsets.traits[member] & Trait.REPORT else b""
        yield offsets.offset(member), header + body
        if descriptor:
            yield offsets.end(member) - len(descriptor), descriptor

    def _drop(self, part: int, keep: int) -> None:
        """Forget, here and for later processes, what lies beyond the part's first `keep` bytes."""
        event(logger, logging.WARNING, "copy_damaged", archive=self.spool.name, part=part, kept=keep)
        self.ledger.proved(part, keep)
        self.spool.unseal()
        self.append(Drop(part, keep))

    # -- readers -----------------------------------------------------------------------------------------

    async def prove(self, part: int) -> None:
        """Have what an earlier process left of the part compared with its CRCs; what does not agree is dropped."""
        if self.ledger.unproven(part):
            await self._proofs.part(part)

    @property
    def proving(self) -> bool:
        """Return whether bytes of an earlier process are being compared."""
        return self._proofs.running

    async def proved(self) -> None:
        """Wait for the comparisons under way."""
        await self._proofs.ended()

    def check_all_there(self) -> None:
        """Say so, where every part is done."""
        if self.ledger.all_there:
            self._on_all_there()

    def cut(self, problem: Problem) -> None:
        """End every reader: the archive was deleted, or can never be continued."""
        self._cut = problem
        self.signals.wake_all()

    def check_cut(self) -> None:
        """Raise what ended the archive, where something did."""
        if self._cut is not None:
            raise self._cut
        if self.spool.removed:
            raise NotFound("the archive was deleted")
