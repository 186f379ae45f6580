"""Which layouts were used: each stands for ever once bytes were given out by it, and is void until then."""

from sqlalchemy import Connection, case, delete, null, update

from streamzip.store.statements import changed
from streamzip.store.tables import archives, documents
from streamzip.store.writer import Writer


class Rounds:
    """The rounds of asking an archive's origins. Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def mark_released(self, hash: str, *, rounds: int) -> bool:
        """Note that bytes of the body are about to be given out, by the layout of that round: the archive has a reader,
        and no longer ends for want of one.

        False where that is not the archive's layout any more, or the archive is gone.
        """
        standing = (archives.c.hash == hash) & (archives.c.rounds == rounds)
        ends = case((archives.c.lapses, null()), else_=archives.c.expires_at)
        mark = update(archives).where(standing).values(released=True, expires_at=ends, lapses=False)
        return await self._writer.apply(lambda connection: changed(connection, mark) > 0)

    async def begin(self, hash: str, *, rounds: int, most: int) -> bool:
        """Forget the layout of that round, so that the origins are asked anew.

        False where bytes were given out by it, where it is forgotten already, or where that was done `most` times.
        """
        unused = ~archives.c.released & archives.c.completed_at.is_(None)
        standing = (archives.c.hash == hash) & (archives.c.rounds == rounds) & (archives.c.rounds < most)

        def change(connection: Connection) -> bool:
            if not changed(connection, update(archives).where(standing & unused).values(rounds=rounds + 1, code=None)):
                return False
            learned = (documents.c.hash == hash) & documents.c.kind.in_(["layout", "crcs"])
            connection.execute(delete(documents).where(learned))
            return True

        return await self._writer.apply(change)
