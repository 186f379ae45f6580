"""Follows what other nodes decide: what was deleted, is stale, or is asked for anew ends here too. And finishes what
only this node can prove, where others want it.
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from streamzip.archives.build import Builds, Progress
from streamzip.archives.load import STALE, Loader
from streamzip.archives.remove import Removal
from streamzip.archives.table import ArchiveTable
from streamzip.errors import AskedAnew, Problem, Stale
from streamzip.logs import event
from streamzip.spool.shelf import Shelf
from streamzip.store.nodes import Nodes
from streamzip.store.states import FINAL

logger = logging.getLogger(__name__)

FILLED_AT_ONCE: Final = 4  # in each process; others are asked for again


class Follower:
    """Runs until cancelled, in each process of a node. `node`: its id.

    A notice names an archive; of what it says the store alone is believed. Where notices may have been missed all open
    archives are looked at; copies of deleted ones that nobody has open go with the sweep.
    """

    def __init__(
        self,
        nodes: Nodes,
        loader: Loader,
        table: ArchiveTable,
        shelf: Shelf,
        removal: Removal,
        builds: Builds,
        *,
        node: str,
    ) -> None:
        self._nodes = nodes
        self._loader = loader
        self._table = table
        self._shelf = shelf
        self._removal = removal
        self._builds = builds
        self._node = node
        self._filling: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look at what is told of, until cancelled."""
        try:
            async for heard in self._nodes.notices.heard():
                try:
                    await self._look(self._table.open_here().keys() if heard is None else [heard], told=heard)
                except Problem as problem:  # the store's: all are looked at soon
                    event(logger, logging.DEBUG, "notice_not_followed", code=problem.code)
                except Exception:
                    logger.exception("following the other nodes failed unexpectedly")
        finally:
            for task in self._filling.values():
                task.cancel()

    async def _look(self, hashes: Collection[str], *, told: str | None) -> None:
        # Opened before the question: whatever is opened after it, by a row that the answer lacks, is left alone.
        opened = self._table.open_here()
        ours = [each for each in hashes if each in opened or self._shelf.begun(each)]
        if not ours:
            return
        standing = await self._nodes.standing(ours)
        for archive_hash in ours:
            row, here = standing.get(archive_hash), opened.get(archive_hash)
            if row is None:
                await self._removal.remove_copy(archive_hash)
            elif here is not None and here.created_at != row.created_at:
                await self._removal.remove_copy(archive_hash)  # deleted, and created anew
            elif row.code == FINAL:
                self._table.cut(archive_hash, Stale(STALE))
            elif here is not None and here.layout.rounds < row.rounds:
                self._loader.forget(archive_hash)
                self._table.cut(archive_hash, AskedAnew())
            elif archive_hash == told and row.released_by == self._node and row.completed_at is None:
                self._fill(archive_hash)

    def _fill(self, archive_hash: str) -> None:
        """Make a copy that another node has a reader for: it is given out everywhere once its checksums are there."""
        if archive_hash in self._filling or len(self._filling) >= FILLED_AT_ONCE:
            return
        event(logger, logging.INFO, "wanted_elsewhere", archive=archive_hash)
        task = self._filling[archive_hash] = asyncio.create_task(self._filled(archive_hash))
        task.add_done_callback(lambda _: self._filling.pop(archive_hash))

    async def _filled(self, archive_hash: str) -> None:
        try:
            await self._builds.fill(archive_hash, Progress())
        except (Problem, OSError) as problem:  # its reader asks again
            event(logger, logging.INFO, "wanted_not_filled", archive=archive_hash, error=str(problem))
        except Exception:
            logger.exception("finishing what another node wants failed unexpectedly")
