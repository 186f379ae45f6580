"""Which layouts were used: each stands for ever once bytes were given out by it, and is void until then."""

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, func, null, select, true, update

from streamzip.errors import Elsewhere
from streamzip.store import taken
from streamzip.store.facts import forget_facts
from streamzip.store.notices import Notices
from streamzip.store.statements import changed
from streamzip.store.tables import archives, documents
from streamzip.store.writer import Writer

# Made once: to make them takes longer than to execute them, and a reader waits.
_STANDING = (archives.c.hash == bindparam("of_hash")) & (archives.c.rounds == bindparam("of_rounds"))
_STANDS = select(archives.c.hash).where(_STANDING)
_ENDS = case((archives.c.lapses, null()), else_=archives.c.expires_at)
_MARK = update(archives).where(_STANDING).values(released=True, expires_at=_ENDS, lapses=False)
_BY = bindparam("by", type_=archives.c.released_by.type)
_OWNER = func.coalesce(archives.c.released_by, _BY)
_MARK_BY = _MARK.where(_OWNER == _BY).values(released_by=_OWNER)


class Rounds:
    """The rounds of asking an archive's origins. Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, writer: Writer, notices: Notices) -> None:
        self._writer = writer
        self._notices = notices

    async def mark_released(self, hash: str, *, rounds: int, by: str | None = None) -> bool:
        """Note that bytes of the body are about to be given out, by the layout of that round: the archive has a reader,
        and no longer ends for want of one.

        `by`: the node whose bytes they are, where no validator tells that another node's are the same; the first one
        counts. False where that is not the archive's layout any more, or the archive is gone. Raises Elsewhere where
        another node was first.
        """
        values = {"of_hash": hash, "of_rounds": rounds, "by": by}

        def change(connection: Connection) -> bool:
            if changed(connection, _MARK if by is None else _MARK_BY, values):
                return True
            if connection.execute(_STANDS, values).first() is not None:
                raise Elsewhere
            return False

        return await self._writer.apply(change)

    async def begin(self, hash: str, *, rounds: int, most: int) -> bool:
        """Forget the layout of that round, so that the origins are asked anew.

        False where bytes were given out by it, where it is forgotten already, or where that was done `most` times.
        """
        unused = ~archives.c.released & archives.c.completed_at.is_(None)
        standing = (archives.c.hash == hash) & (archives.c.rounds == rounds) & (archives.c.rounds < most)

        def change(connection: Connection) -> bool:
            if not changed(connection, update(archives).where(standing & unused).values(rounds=rounds + 1, code=None)):
                return False
            forget_facts(connection, hash)
            self._notices.tell(connection, hash)
            taken.add(connection, hash, -taken.document_size(connection, hash, "layout"))
            learned = (documents.c.hash == hash) & documents.c.kind.in_(["layout", "crcs"])
            connection.execute(delete(documents).where(learned))
            return True

        return await self._writer.apply(change)


def is_of(node: str | None) -> ColumnElement[bool]:
    """Return the condition that no other node's bytes are the archive's; it holds always for a node that is None."""
    return true() if node is None else func.coalesce(archives.c.released_by, node) == node
