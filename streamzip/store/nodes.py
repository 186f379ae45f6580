"""The gateways of one store: who they are, which of them live, and what each has of an archive."""

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, delete, select, update

from streamzip.data_folder import Node
from streamzip.store.facts import Facts
from streamzip.store.notices import Notices
from streamzip.store.reading import Reads
from streamzip.store.statements import put
from streamzip.store.tables import archives, fingerprints, holdings, nodes
from streamzip.store.writer import Writer

ALIVE: Final = 15.0  # seconds since a node was last seen; from then on what it said that it does counts no more
LOST: Final = 60.0  # seconds; from then on nobody waits for it
FORGOTTEN: Final = 7 * 24 * 3600.0  # seconds
LEFT: Final = ""  # the place of a node that has ended in good order

_of_others = holdings.c.hash.in_(bindparam("hashes", expanding=True)) & (holdings.c.node != bindparam("but"))
_held = select(holdings).join(nodes, nodes.c.id == holdings.c.node)
_held = _held.where(_of_others, nodes.c.seen_at > bindparam("since"))
_seen = select(nodes.c.seen_at).where(nodes.c.id == bindparam("id"))
_public_url = select(fingerprints.c.fingerprint).where(fingerprints.c.purpose == "public_url")
_standing = select(*(archives.c[name] for name in ("hash", "code", "rounds", "created_at", "released_by")))
_standing = _standing.add_columns(archives.c.completed_at)
_standing = _standing.where(archives.c.hash.in_(bindparam("hashes", expanding=True)))


def is_read_since(when: float) -> ColumnElement[bool]:
    """Return the condition that an archive has readers on a node that was seen since then (epoch s)."""
    at = select(holdings.c.hash).join(nodes, nodes.c.id == holdings.c.node)
    at = at.where(holdings.c.hash == archives.c.hash, holdings.c.read, nodes.c.seen_at > when)
    return at.correlate(archives).exists()


class Holding(NamedTuple):
    """What one node has of an archive's layout of one round: bytes of so many, and entries, that are there; whether
    somebody wants more of it there, or reads it; whether its finished copy lies there.
    """

    hash: str
    node: str
    rounds: int = 0
    bytes: int = 0
    total: int | None = None
    entries: int = 0
    active: bool = False
    read: bool = False
    cached: bool = False


class Standing(NamedTuple):
    """The part of an archive's row that ends what was opened of it, or has a node finish it."""

    code: str | None
    rounds: int
    created_at: float
    released_by: str | None
    completed_at: float | None


class Nodes:
    """The nodes; `facts` is what they have learned, `notices` what they are told as it is decided. Every method may
    raise errors.NotReady and errors.Damaged.
    """

    def __init__(self, reads: Reads, writer: Writer, notices: Notices) -> None:
        self._reads = reads
        self._writer = writer
        self.facts = Facts(reads, writer)
        self.notices = notices

    async def see(self, node: Node, now: float) -> bool:
        """Note that the node lives. False where another one of the same id does, elsewhere."""

        def change(connection: Connection) -> bool:
            row = connection.execute(select(nodes).where(nodes.c.id == node.id).with_for_update()).first()
            if row is not None and row.place not in (node.place, LEFT) and row.seen_at > now - ALIVE:
                return False
            put(connection, nodes, {"id": node.id}, {"name": node.name, "place": node.place, "seen_at": now})
            return True

        return await self._writer.apply(change)

    async def tell_public_url(self, url: str, now: float) -> str | None:
        """Note the URL that this node gives links out with, and return the one before it where that is another one."""

        def change(connection: Connection) -> str | None:
            key = {"purpose": "public_url", "key_id": "last"}
            own = {"fingerprint": url, "noted_at": now}
            before: str | None = connection.execute(_public_url).scalar_one_or_none()
            if before != url:
                put(connection, fingerprints, key, own)
            return before if before != url else None

        return await self._writer.apply(change)

    async def seen_at(self, id: str) -> float | None:
        """Return when the node was last seen (epoch s); None for one that is not known."""
        rows = await self._reads.rows(_seen, id=id)
        return rows[0].seen_at if rows else None

    async def leave(self, id: str) -> None:
        """Note that the node has ended in good order: another one may have its place at once."""

        def change(connection: Connection) -> None:
            connection.execute(update(nodes).where(nodes.c.id == id).values(place=LEFT))
            connection.execute(update(holdings).where(holdings.c.node == id).values(active=False, read=False))

        await self._writer.apply(change)

    async def sweep(self, now: float) -> None:
        """Forget nodes that were not seen for long, and what they had."""

        def change(connection: Connection) -> None:
            unseen = nodes.c.seen_at < now - FORGOTTEN
            connection.execute(delete(holdings).where(holdings.c.node.in_(select(nodes.c.id).where(unseen))))
            connection.execute(delete(nodes).where(unseen))

        await self._writer.apply(change)

    async def hold(self, held: Collection[Holding], now: float) -> None:
        """Note what a node has, but for whether its finished copy lies there (`keep`); archives that are gone are
        passed over.
        """

        def change(connection: Connection) -> None:
            there = set(connection.execute(_standing, {"hashes": [each.hash for each in held]}).scalars())
            for each in held:
                if each.hash in there:
                    key, values = _divided(each, now)
                    values.pop("cached")
                    put(connection, holdings, key, values, first={"cached": False})

        await self._writer.apply(change)

    async def keep(self, node: str, copies: Iterable[str], now: float, *, cached: bool) -> None:
        """Note that these finished copies lie at the node, or do so no more."""
        hashes = list(copies)

        def change(connection: Connection) -> None:
            there = connection.execute(_standing, {"hashes": hashes}).scalars().all()
            for hash in there:
                key, values = _divided(Holding(hash, node, cached=cached), now)
                put(connection, holdings, key, {"cached": cached, "noted_at": now}, first=values)

        await self._writer.apply(change)

    async def kept(self, node: str) -> set[str]:
        """Return the archives whose finished copies are said to lie at the node."""
        query = select(holdings.c.hash).where(holdings.c.node == node, holdings.c.cached)
        return {row.hash for row in await self._reads.rows(query)}

    async def holding(self, hashes: Collection[str], *, now: float, but: str) -> list[Holding]:
        """Return what nodes that live, other than `but`, have of the archives."""
        rows = await self._reads.rows(_held, hashes=list(hashes), but=but, since=now - ALIVE)
        return [Holding(**{name: getattr(row, name) for name in Holding._fields}) for row in rows]

    async def ask_for(self, archive_hash: str) -> None:
        """Tell the node that gave out the archive's first bytes that they are wanted at another one."""
        await self._writer.apply(lambda connection: self.notices.tell(connection, archive_hash))

    async def standing(self, hashes: Collection[str]) -> dict[str, Standing]:
        """Return what stands in the rows of those of the archives that there are."""
        rows = await self._reads.rows(_standing, hashes=list(hashes))
        return {row.hash: Standing(*(getattr(row, name) for name in Standing._fields)) for row in rows}


def _divided(holding: Holding, now: float) -> tuple[dict[str, Any], dict[str, Any]]:
    values = holding._asdict() | {"noted_at": now}
    return {name: values.pop(name) for name in ("hash", "node")}, values
