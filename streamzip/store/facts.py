"""What gateways have learned of archives that fill in, for those that are asked for the rest."""

from typing import NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select

from streamzip.store.reading import Reads
from streamzip.store.rows import Sealed
from streamzip.store.tables import archives, facts
from streamzip.store.writer import Writer

_later = (facts.c.hash == bindparam("hash")) & (facts.c.rounds == bindparam("rounds"))
_later &= (facts.c.id > bindparam("after")) & (facts.c.node != bindparam("but"))
_told = select(facts).where(_later).order_by(facts.c.id)


class Told(NamedTuple):
    """Facts as one node told them, to be verified by the caller. `id`: later ones have a higher one."""

    id: int
    node: str
    sealed: Sealed


class Facts:
    """Facts of archives, until each is completed. Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, reads: Reads, writer: Writer) -> None:
        self._reads = reads
        self._writer = writer

    async def add(self, hash: str, sealed: Sealed, *, rounds: int, node: str) -> bool:
        """Keep what the node learned by the layout of that round; False where that stands no more, or the archive is
        completed.
        """

        def change(connection: Connection) -> bool:
            filling = (archives.c.hash == hash) & (archives.c.rounds == rounds) & archives.c.completed_at.is_(None)
            # Locked, so that a completion, which removes them all, comes before or after.
            if connection.execute(select(archives.c.hash).where(filling).with_for_update(read=True)).first() is None:
                return False
            row = {"hash": hash, "rounds": rounds, "node": node, "body": sealed.body}
            connection.execute(insert(facts), row | {"key_id": sealed.key_id, "signature": sealed.signature})
            return True

        return await self._writer.apply(change)

    async def of_others(self, hash: str, *, rounds: int, node: str, after: int = 0) -> list[Told]:
        """Return what other nodes than this one have told of the layout of that round, beyond the fact `after`."""
        rows = await self._reads.rows(_told, hash=hash, rounds=rounds, after=after, but=node)
        return [Told(row.id, row.node, Sealed(row.body, row.key_id, row.signature)) for row in rows]


def forget_facts(connection: Connection, hash: str) -> None:
    """Remove all facts of the archive."""
    connection.execute(delete(facts).where(facts.c.hash == hash))
