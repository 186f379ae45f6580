"""Follows what other nodes decide: what was deleted, is stale, or is asked for anew ends here too."""

import logging
from collections.abc import Collection

from streamzip.archives.load import STALE, Loader
from streamzip.archives.remove import Removal
from streamzip.archives.table import ArchiveTable
from streamzip.errors import AskedAnew, Problem, Stale
from streamzip.logs import event
from streamzip.spool.shelf import Shelf
from streamzip.store.nodes import Nodes
from streamzip.store.states import FINAL

logger = logging.getLogger(__name__)


class Follower:
    """Runs until cancelled, in each process of a node.

    A notice names an archive; of what it says the store alone is believed. Where notices may have been missed all open
    archives are looked at; copies of deleted ones that nobody has open go with the sweep.
    """

    def __init__(self, nodes: Nodes, loader: Loader, table: ArchiveTable, shelf: Shelf, removal: Removal) -> None:
        self._nodes = nodes
        self._loader = loader
        self._table = table
        self._shelf = shelf
        self._removal = removal

    async def run(self) -> None:
        """Look at what is told of, until cancelled."""
        async for heard in self._nodes.notices.heard():
            try:
                await self._look(self._table.open_here().keys() if heard is None else [heard])
            except Problem as problem:  # the store's: all are looked at soon
                event(logger, logging.DEBUG, "notice_not_followed", code=problem.code)
            except Exception:
                logger.exception("following the other nodes failed unexpectedly")

    async def _look(self, hashes: Collection[str]) -> None:
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
