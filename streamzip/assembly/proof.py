"""What earlier processes left of a part is compared with its CRCs before it is used."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from streamzip.assembly.ledger import Ledger
from streamzip.errors import Stale
from streamzip.spool.port import Bytes


class Proofs:
    """The comparisons under way; `pool` runs them. `drop(part, keep)`: called where what lies beyond is damaged."""

    def __init__(self, ledger: Ledger, spool: Bytes, pool: Executor, drop: Callable[[int, int], None]) -> None:
        self._ledger = ledger
        self._spool = spool
        self._pool = pool
        self._drop = drop
        self._running: dict[int, asyncio.Task[None]] = {}

    @property
    def running(self) -> bool:
        """Return whether bytes are being compared."""
        return bool(self._running)

    async def ended(self) -> None:
        """Wait for the comparisons under way: they go on when nobody waits for them any more."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def part(self, part: int) -> None:
        """Compare what is listed of the part and not proven. Nothing happens while it is not known where that lies.

        Stale where it is damaged, and what is pulled again could not be known to be the same.
        """
        ledger = self._ledger
        if self._spool.sealed:  # all of it was proven, and the file is that one
            ledger.proved(part)
            return
        if not ledger.provable(part):
            return
        proof = self._running.get(part)
        if proof is None:
            # One at a time: a second one, late, would drop what is being pulled in place of what the first one dropped.
            proof = self._running[part] = asyncio.create_task(self._compare(part))
            proof.add_done_callback(lambda _: self._running.pop(part))
        await asyncio.shield(proof)

    async def _compare(self, part: int) -> None:
        ledger, spool = self._ledger, self._spool
        extents, at = list(ledger.extents.unproven(part)), ledger.part_offset(part)
        wrong = await asyncio.get_running_loop().run_in_executor(self._pool, spool.disagrees, extents, at)
        if not ledger.unproven(part):
            return  # another process has found it so meanwhile, and has mended it
        if wrong is None:
            ledger.proved(part)
            return
        member = ledger.offsets.member_of(part)
        if not ledger.replaceable(member):
            name = ledger.layout.names[member]
            raise Stale(f"what was given out of {name} is damaged here; create the archive anew")
        self._drop(part, wrong.start)
