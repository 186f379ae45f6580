"""Leases: a hold on an open archive, from its hash alone; what keeps it from being opened is noted."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial

from streamzip.archives.events import Events
from streamzip.archives.load import Loader
from streamzip.archives.others import OtherNodes
from streamzip.archives.table import ArchiveTable, Lease
from streamzip.errors import AskedAnew, BuildFailed, CopyLost, Mislearned, NotFound, NotReady, Problem, Stale
from streamzip.store.rows import ArchiveRow
from streamzip.store.states import ArchiveState
from streamzip.zip.layout import Layout


class Leases:
    """The archives of this process, opened for whoever wants to read or build one."""

    def __init__(self, loader: Loader, table: ArchiveTable, events: Events, others: OtherNodes) -> None:
        self._loader = loader
        self._table = table
        self._events = events
        self._others = others
        self._unnoted: set[str] = set()  # archives of which bytes are given out though the store could not note it

    async def row(self, archive_hash: str) -> ArchiveRow:
        """Return the archive's facts. Raises NotFound."""
        return await self._loader.row(archive_hash)

    @contextlib.asynccontextmanager
    async def lease(self, row: ArchiveRow) -> AsyncIterator[Lease]:
        """Hold the open archive for as long as the context lasts.

        Raises NotFound; NotReady while the origins are being asked; Elsewhere where only another node has what proves
        it; Stale; BuildFailed where no entry can be had; Damaged.
        """
        foreign = self._others.has(row)
        if foreign and row.completed_at is None:
            raise await self.failed(row, await self._others.refusal(row))
        async with contextlib.AsyncExitStack() as stack:
            load = partial(self._loader.load, row, foreign=foreign)
            try:
                lease = await stack.enter_async_context(self._table.lease(row, load, foreign=foreign))
            except Stale as problem:
                raise await self.failed(row, problem) from problem
            if row.completed_at is None:
                await self._others.learn(row.hash, lease.shared.archive)
            yield lease

    async def released(self, row: ArchiveRow, layout: Layout, *, kept: bool) -> bool:
        """Take note, before bytes of the archive are given out, that they are. Return False where that layout stands no
        more. `kept`: the answer promises that another one has the same bytes. Raises Elsewhere where it would not.

        A store that takes nothing (NotReady) holds up no archive whose bytes prove themselves: this process remembers
        it until a later reader has it noted.
        """
        try:
            stands = await self._events.released(row, layout, kept=kept)
        except NotReady:
            if not layout.provable:
                raise
            self._unnoted.add(row.hash)
            return True
        self._unnoted.discard(row.hash)
        return stands

    async def _stands(self, row: ArchiveRow) -> bool:
        try:
            return (await self._loader.row(row.hash)).created_at == row.created_at
        except NotFound:
            return False

    async def _is_elsewhere(self, archive_hash: str) -> bool:
        return any(each.cached for each in await self._others.holding([archive_hash]))

    async def failed(self, row: ArchiveRow, problem: Problem) -> Problem:
        """Note why the archive failed, where it did: not what is the reader's own affair, or the store's. Return what
        its reader is told.

        One that is stale is so for ever, and its readers are cut. Where nothing was given out by a layout that does not
        hold, the origins are asked anew instead, and its readers are to begin again. So are those whose copy was taken
        away beneath them by another process, while the archive still stands.
        """
        if isinstance(problem, NotFound) and await self._stands(row):
            return CopyLost()
        if isinstance(problem, Mislearned) and row.hash not in self._unnoted:
            if await self._events.asked_anew(row.hash, rounds=row.rounds):
                self._loader.forget(row.hash)
                self._table.cut(row.hash, AskedAnew())
                return AskedAnew()
            if (await self._loader.row(row.hash)).rounds != row.rounds:  # another reader was first
                return AskedAnew()
        if isinstance(problem, Stale) and row.state is not ArchiveState.STALE and await self._is_elsewhere(row.hash):
            return NotReady("another gateway has the archive's copy; ask again, to reach it", retry_after=5)
        if isinstance(problem, BuildFailed | Stale):
            is_stale = isinstance(problem, Stale)
            await self._events.failed(row.hash, problem.code, for_good=is_stale)
            if is_stale:
                self._table.cut(row.hash, problem)
        return problem
