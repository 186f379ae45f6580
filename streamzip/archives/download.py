"""One reader's way through an archive: from the shared copy, or where there is none (any more) through memory."""

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from streamzip.archives.copies import CopyPlaces
from streamzip.archives.events import Events
from streamzip.archives.leases import Leases
from streamzip.archives.load import STALE
from streamzip.archives.objects import ArchiveObjects
from streamzip.archives.table import ArchiveTable, Lease
from streamzip.errors import AskedAnew, CopyLost, NotReady, Problem, Stale
from streamzip.files.durable import DISK_FULL
from streamzip.logs import event
from streamzip.objects.content import Content
from streamzip.objects.reads import ObjectLost
from streamzip.spans import Data
from streamzip.spool.shelf import Shelf
from streamzip.store.rows import ArchiveRow
from streamzip.store.states import ArchiveState
from streamzip.zip.layout import Format

logger = logging.getLogger(__name__)

MOST_BEFORE_FIRST_BYTE = 64 << 20  # bytes that a range may have pulled before its own first byte is known


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an archive's body.

    `length` is None while an open archive grows; `etag` too, and where no two answers can be proven to have the same
    bytes.
    """

    filename: str
    container: Format
    length: int | None
    etag: str | None
    last_modified: int  # epoch seconds
    finished: bool  # a sealed copy lies on disk
    lapses: bool  # it ends for want of readers, unless this is one


class Download:
    """One reader's hold on an open archive."""

    def __init__(self, row: ArchiveRow, lease: Lease, leases: Leases, events: Events) -> None:
        self.facts = _facts(row, lease)
        self._row = row
        self._lease = lease
        self._leases = leases
        self._events = events
        self._noted = False  # that bytes are given out

    def check_start(self, start: int) -> None:
        """Raise NotReady where archive bytes from `start` on cannot begin soon; nothing is pulled.

        A descriptor needs all of its member's bytes, the directory those of all members: a request for its one last
        byte must not pull 100 GiB.
        """
        if self._lease.shared.ledger.missing_before(start) > MOST_BEFORE_FIRST_BYTE:
            raise NotReady(
                "this range holds checksums of files that have not been pulled yet; begin with an earlier one, "
                "or have the archive prefetched",
                retry_after=10,
            )

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[Data, None]:
        """Archive bytes `[start, stop)`. Raises Problem where the origins do not give what is needed, OSError from the
        disk.
        """
        lease, position = self._lease, start
        try:
            with lease.pulling():
                if lease.kept:
                    try:
                        async with contextlib.aclosing(lease.shared.read(start, stop)) as runs:
                            async for run in runs:
                                if position == start:
                                    await self._released()
                                position += len(run)
                                yield run
                        return
                    except OSError as error:
                        self._check_full(error)
                # No copy is kept, or the disk took no more of it: the rest goes through memory, and only this reader's
                # way.
                async with lease.alone(position) as alone, contextlib.aclosing(alone.read(position, stop)) as runs:
                    async for run in runs:
                        if position == start:
                            await self._released()
                        position += len(run)
                        yield run
        except Problem as problem:
            raise await self._leases.failed(self._row, problem) from problem

    async def _released(self) -> None:
        """Note that bytes are about to be given out, before they are, for from now on the layout stands for ever, and
        where only the copy can prove what they were it must not be lost. Raises AskedAnew where the layout is void.
        """
        archive = self._lease.shared.archive
        if self._row.lapses and (self._row.completed_at is not None or self._row.released):
            self._events.read_first(self._row.hash)  # else it is noted with the release, before anybody is told of it
        if self._row.completed_at is not None or self._noted:
            return
        if not await self._leases.released(self._row, archive.layout, kept=self._lease.kept):
            raise AskedAnew
        self._noted = True
        if self._lease.kept and not archive.spool.sealed:
            archive.ledger.gave_out()

    def _check_full(self, error: OSError) -> None:
        """Raise what is no full disk."""
        if error.errno not in DISK_FULL:
            raise error
        event(logger, logging.WARNING, "disk_full", archive=self._row.hash, error=error.strerror)
        self._events.disk_full(self._row.hash)


Reopen = Callable[[ArchiveRow], AbstractAsyncContextManager[Download]]


def _facts(row: ArchiveRow, lease: Lease) -> Facts:
    archive = lease.shared.archive
    frozen_at = archive.layout.frozen_at
    # An open archive is exact once it was completed; in between, its length could still be another one.
    length = archive.ledger.length if archive.layout.exact or row.completed_at is not None else None
    # Without a copy and without strong validators nothing proves that two answers have the same bytes.
    same = length is not None and (lease.kept or archive.layout.provable)
    etag = f'"{frozen_at:x}-{length:x}"' if same else None
    finished = archive.spool.sealed and row.completed_at is not None
    return Facts(row.filename, archive.layout.container, length, etag, frozen_at, finished, row.lapses)


class ObjectDownload:
    """One reader's way through an archive whose finished copy is in the bucket and not on this machine.

    Where the bucket fails before the first byte, its reader begins again, without it. After that the rest comes from
    the origins, where these can prove that it is the same; else the connection is cut, and a resume finds out.
    """

    def __init__(
        self, row: ArchiveRow, content: Content, objects: ArchiveObjects, again: Reopen, events: Events
    ) -> None:
        etag = f'"{content.frozen_at:x}-{content.size:x}"'
        self.facts = Facts(row.filename, content.container, content.size, etag, content.frozen_at, False, row.lapses)
        self._row = row
        self._content = content
        self._objects = objects
        self._again = again
        self._events = events
        self._given = False  # any byte

    def check_start(self, start: int) -> None:
        """See Download: all of it is there."""

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[Data, None]:
        """See Download."""
        position, end = start, self._content.size if stop is None else stop
        try:
            async with contextlib.aclosing(self._objects.read(self._content, start, end)) as runs:
                async for run in runs:
                    if not self._given and self._row.lapses:
                        self._events.read_first(self._row.hash)
                    self._given = True
                    position += len(run)
                    yield run
            return
        except ObjectLost as lost:
            await self._objects.give_up(self._row, self._content, lost)
            if not self._given:
                raise CopyLost from lost
            if not self._content.provable:
                raise NotReady("the archive's copy cannot be read on; resume the download", retry_after=5) from lost
        async with self._again(self._row) as download:
            if download.facts.etag != self.facts.etag:
                raise NotReady("the archive's copy cannot be read on; resume the download", retry_after=5)
            async with contextlib.aclosing(download.read(position, end)) as runs:
                async for run in runs:
                    yield run


class Downloads:
    """Opens archives for readers."""

    def __init__(self, leases: Leases, table: ArchiveTable, shelf: Shelf, copies: CopyPlaces, events: Events) -> None:
        self._copies = copies
        self._leases = leases
        self._table = table
        self._shelf = shelf
        self._events = events

    @contextlib.asynccontextmanager
    async def open(self, archive_hash: str) -> AsyncIterator[Download | ObjectDownload]:
        """Give the archive, ready to be read from any offset; nothing is pulled before it is read.

        Raises NotFound; NotReady while the origins are being asked; Stale; BuildFailed where no entry can be had;
        Damaged.
        """
        row = await self._row(archive_hash)
        content = await self._copies.beneath(row)
        if content is not None and self._copies.objects is not None:
            yield ObjectDownload(row, content, self._copies.objects, self._leased, self._events)
            return
        async with self._leased(row) as download:
            yield download

    async def _row(self, archive_hash: str) -> ArchiveRow:
        row = await self._leases.row(archive_hash)
        if row.state is ArchiveState.STALE:
            problem = Stale(STALE)
            self._table.cut(archive_hash, problem)  # another process found it so
            raise problem
        return row

    @contextlib.asynccontextmanager
    async def _leased(self, row: ArchiveRow) -> AsyncIterator[Download]:
        async with self._leases.lease(row) as lease:
            yield Download(row, lease, self._leases, self._events)

    async def link(self, archive_hash: str) -> str | None:
        """Return a URL by which the archive's object may be fetched from the bucket; None where it is not there.

        Raises NotFound, Stale.
        """
        row, objects = await self._row(archive_hash), self._copies.objects
        content = None if objects is None else await objects.find(row)
        if objects is None or content is None:
            return None
        link = await objects.link(content)
        if link is not None and row.lapses:
            self._events.read_first(archive_hash)
        return link

    def hand_over(self, archive_hash: str, *, lapses: bool) -> None:
        """Note that the proxy in front sends the finished copy: it is not evicted until the proxy has had time to open
        it. `lapses`: it is the first to be read.
        """
        self._shelf.touch(archive_hash)
        if lapses:
            self._events.read_first(archive_hash)
