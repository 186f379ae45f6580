"""Tells the store what this node has of archives, for the other nodes: checksums of what it pulled, how far it is.

It looks at the open archives a few times a second, so that no pull is any slower for it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Final

from streamzip.archives.open_here import OpenHere
from streamzip.archives.others import FACTS
from streamzip.archives.table import ArchiveTable
from streamzip.assembly.ledger import Ledger
from streamzip.clock import Clock
from streamzip.data_folder import Node
from streamzip.errors import Problem
from streamzip.logs import event
from streamzip.spool.journal import Extent, encode
from streamzip.spool.shelf import Shelf
from streamzip.store.nodes import Holding, Nodes
from streamzip.store.vault import Vault

logger = logging.getLogger(__name__)

LOOK_EVERY: Final = 0.25  # seconds
MUCH: Final = 8 << 20  # bytes; what was pulled and not told of is pulled again, where this node is lost
LATE: Final = 2.0  # seconds after which anything new is told
HOLD_EVERY: Final = 1.0  # seconds between two looks at how far each archive is
SEEN_EVERY: Final = 5.0  # seconds
COMPARE_EVERY: Final = 600.0  # seconds; a look at every file of the shelf
BLOCK: Final = 4096  # parts that are compared at once


@dataclass(slots=True)
class _Told:
    """What was told of one open archive, and when; `present`: bytes of it that were there at the last look."""

    created_at: float
    rounds: int
    parts: bytearray
    present: int = 0
    at: float = 0.0
    holding: Holding | None = None


@dataclass(slots=True)
class _Timer:
    every: float
    last: float = field(default=-1e9)

    def due(self, now: float) -> bool:
        """Return whether it is time again; if so, that begins anew."""
        if now - self.last < self.every:
            return False
        self.last = now
        return True


class Publisher:
    """Runs until cancelled, in each process of a node."""

    def __init__(
        self, nodes: Nodes, vault: Vault, table: ArchiveTable, shelf: Shelf, clock: Clock, *, node: Node
    ) -> None:
        self._nodes = nodes
        self._vault = vault
        self._table = table
        self._shelf = shelf
        self._clock = clock
        self._node = node
        self._told: dict[str, _Told] = {}
        self._holding, self._seeing, self._comparing = _Timer(HOLD_EVERY), _Timer(SEEN_EVERY), _Timer(COMPARE_EVERY)

    async def run(self) -> None:
        """Tell, until cancelled; then what is still untold."""
        try:
            while True:
                if self._comparing.due(self._clock.monotonic()):
                    await self._tried(self._compare_copies())
                await self._tried(self._look())
                await asyncio.sleep(LOOK_EVERY)
        finally:
            await self._tried(self._last_words())

    async def _tried(self, telling: Awaitable[None]) -> None:
        try:
            await telling
        except Problem as problem:  # the store's: it is told later
            event(logger, logging.DEBUG, "nothing_told", code=problem.code)
        except Exception:
            logger.exception("telling the other nodes failed unexpectedly")

    async def _last_words(self) -> None:
        for archive_hash, opened in self._table.open_here().items():
            await self._tell_facts(archive_hash, opened, at_the_end=True)
        await self._nodes.leave(self._node.id)

    async def _compare_copies(self) -> None:
        """Bring what the store says of this node's finished copies in line with the shelf."""
        held = await asyncio.to_thread(self._shelf.held)
        there, said = {each.name for each in held if each.finished}, await self._nodes.kept(self._node.id)
        now = self._clock.wall()
        for hashes, cached in ((there - said, True), (said - there, False)):
            if hashes:
                await self._nodes.keep(self._node.id, hashes, now, cached=cached)

    async def _look(self) -> None:
        now, opened = self._clock.monotonic(), self._table.open_here()
        if self._seeing.due(now) and not await self._nodes.see(self._node, self._clock.wall()):
            event(logger, logging.ERROR, "node_twice", node=self._node.id)
        await asyncio.gather(*(self._tell_facts(archive_hash, each) for archive_hash, each in opened.items()))
        if self._holding.due(now):
            await self._tell_holdings(opened)

    async def _tell_facts(self, archive_hash: str, opened: OpenHere, *, at_the_end: bool = False) -> None:
        layout = opened.layout
        if opened.is_learned or not layout.exact:
            return
        told, now = self._told.get(archive_hash), self._clock.monotonic()
        if told is None or (told.created_at, told.rounds) != (opened.created_at, layout.rounds):
            told = self._told[archive_hash] = _Told(opened.created_at, layout.rounds, bytearray(layout.parts), at=now)
        is_late = at_the_end or now - told.at >= LATE
        if opened.present == told.present and not is_late:
            return
        told.present = opened.present
        news: dict[int, Extent] = {}
        for ledger in opened.ledgers:
            news.update((extent.part, extent) for extent in _news(ledger, told.parts))
        if not news or not (is_late or sum(extent.stop for extent in news.values()) >= MUCH):
            return
        told.at = now
        body = b"".join(map(encode, news.values()))
        sealed = self._vault.seal(FACTS, archive_hash, body)
        if await self._nodes.facts.add(archive_hash, sealed, rounds=layout.rounds, node=self._node.id):
            for part in news:
                told.parts[part] = 1

    async def _tell_holdings(self, opened: dict[str, OpenHere]) -> None:
        changed = []
        for archive_hash, each in opened.items():
            told = self._told.setdefault(archive_hash, _Told(each.created_at, each.layout.rounds, bytearray()))
            holding = self._held(archive_hash, each)
            if told.holding != holding or each.active:
                told.holding = holding
                changed.append(holding)
        for archive_hash in self._told.keys() - opened.keys():
            last = self._told.pop(archive_hash).holding
            if last is not None:
                changed.append(last._replace(active=False, read=False))
        if changed:
            with contextlib.suppress(Problem):  # told again, where it matters: in a second
                await self._nodes.hold(changed, self._clock.wall())

    def _held(self, archive_hash: str, opened: OpenHere) -> Holding:
        furthest = max(opened.ledgers, key=lambda ledger: ledger.extents.present)
        return Holding(
            archive_hash,
            self._node.id,
            rounds=opened.layout.rounds,
            bytes=furthest.extents.present,
            total=furthest.length,
            entries=furthest.complete.count(1),
            active=opened.active,
            read=opened.read,
        )


def _news(ledger: Ledger, told: bytearray) -> list[Extent]:
    """Return the parts that are all there, and not told of, of members whose versions a strong validator tells."""
    done, extents, layout, found = ledger.extents.done, ledger.extents, ledger.layout, []
    for start in range(0, len(told), BLOCK):
        if done[start : start + BLOCK] == told[start : start + BLOCK]:
            continue
        for part in range(start, min(start + BLOCK, len(told))):
            if not done[part] or told[part] or extents.committed[part] != extents.lengths[part]:
                continue
            if layout.validators[ledger.offsets.member_of(part)].startswith("s"):
                found.append(Extent(part, 0, extents.lengths[part], extents.crcs[part]))
    return found
