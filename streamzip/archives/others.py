"""What this gateway knows of the other nodes: the gateways of the same store, each with copies of its own."""

import logging
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from streamzip import metrics
from streamzip.assembly.archive import Archive
from streamzip.clock import Clock
from streamzip.errors import Elsewhere, Problem, Stale
from streamzip.files.aside import in_long_thread
from streamzip.logs import event
from streamzip.spool.journal import Extent, decode
from streamzip.store.facts import Told
from streamzip.store.nodes import LOST, Holding, Nodes
from streamzip.store.rows import ArchiveRow
from streamzip.store.vault import Vault

logger = logging.getLogger(__name__)

# Seconds. Where the store was away nobody was seen; and its clock may be another one after a failover.
SUSPECTED: Final = 30.0

ASKED_AGAIN: Final = 5.0  # seconds; a reader that is refused is told to wait as long

FACTS: Final = "facts"  # the kind of document that they are sealed as


class OtherNodes(Protocol):
    """Asked about the other nodes. Those that are awaited may raise the store's NotReady and Damaged."""

    def has(self, row: ArchiveRow) -> bool:
        """Return whether the archive's bytes are another node's: it gave out bytes of members that no validator proves
        the same.
        """

    async def refusal(self, row: ArchiveRow) -> Problem:
        """Return why this node gives out nothing of such an archive while it fills in: Elsewhere, and then the other
        node is asked to finish it; Stale where that one is lost, and with it what could prove any byte.
        """

    async def learn(self, archive_hash: str, archive: Archive) -> None:
        """Note in the archive's ledger what other nodes have told since this was last called for it."""

    async def holding(self, hashes: Collection[str]) -> Sequence[Holding]:
        """Return what other nodes that live have of the archives."""


class NoOtherNodes:
    """Of a gateway that has its store for itself."""

    def has(self, row: ArchiveRow) -> bool:
        """See OtherNodes."""
        return False

    async def refusal(self, row: ArchiveRow) -> Problem:
        """See OtherNodes."""
        return Elsewhere()

    async def learn(self, archive_hash: str, archive: Archive) -> None:
        """See OtherNodes."""

    async def holding(self, hashes: Collection[str]) -> Sequence[Holding]:
        """See OtherNodes."""
        return ()


class KnownNodes:
    """The others, as the store knows them. `node`: the id of this one."""

    def __init__(self, nodes: Nodes, vault: Vault, clock: Clock, *, node: str) -> None:
        self._nodes = nodes
        self._vault = vault
        self._clock = clock
        self._node = node
        self._suspected: dict[str, float] = {}  # nodes that were not seen for long, and when that was first noticed
        self._asked: dict[str, float] = {}  # archives that others were asked for, and when

    def has(self, row: ArchiveRow) -> bool:
        """See OtherNodes."""
        return row.released_by not in (None, self._node)

    async def refusal(self, row: ArchiveRow) -> Problem:
        """See OtherNodes."""
        node, now = str(row.released_by), self._clock.monotonic()
        seen = await self._nodes.seen_at(node)
        if seen is not None and seen >= self._clock.wall() - LOST:
            self._suspected.pop(node, None)
        elif now - self._suspected.setdefault(node, now) >= SUSPECTED:
            return Stale(
                "the gateway is lost that had begun this archive, and nothing proves its bytes; create it anew"
            )
        await self._ask_for(row.hash, now)
        return Elsewhere()

    async def _ask_for(self, archive_hash: str, now: float) -> None:
        """Have the other node finish the archive: behind a balancer its reader may never get there, where that node had
        it for a while only.
        """
        self._asked = {each: when for each, when in self._asked.items() if now - when < ASKED_AGAIN}
        if archive_hash not in self._asked:
            self._asked[archive_hash] = now
            await self._nodes.ask_for(archive_hash)

    async def learn(self, archive_hash: str, archive: Archive) -> None:
        """See OtherNodes."""
        ledger = archive.ledger
        if not ledger.layout.exact or ledger.offsets.crcs_known:
            return
        rounds = ledger.layout.rounds
        told = await self._nodes.facts.of_others(archive_hash, rounds=rounds, node=self._node, after=archive.learned)
        if not told:
            return
        if not archive.learned:
            metrics.FOREIGN_PULLS.add()
            event(logger, logging.INFO, "foreign_pull", archive=archive_hash, begun_by=told[0].node)
        archive.learned = told[-1].id
        for extent in await in_long_thread(lambda: self._opened(archive_hash, told)):
            ledger.heard(extent)

    def _opened(self, archive_hash: str, told: Sequence[Told]) -> list[Extent]:
        found: list[Extent] = []
        for each in told:
            records, _, _ = decode(self._vault.unseal(FACTS, archive_hash, each.sealed))
            found.extend(record for record in records if isinstance(record, Extent))
        return found

    async def holding(self, hashes: Collection[str]) -> Sequence[Holding]:
        """See OtherNodes."""
        return await self._nodes.holding(hashes, now=self._clock.wall(), but=self._node)
