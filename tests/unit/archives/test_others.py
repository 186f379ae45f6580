"""What a node says of archives that another one has begun."""

from types import SimpleNamespace
from typing import Any, cast

from streamzip.archives.others import ASKED_AGAIN, SUSPECTED, KnownNodes
from streamzip.errors import Elsewhere, Stale
from streamzip.store.nodes import LOST
from tests.unit.store.builders import an_archive


class World:
    """The store's word about one node, and a clock."""

    def __init__(self) -> None:
        self.seen: float | None = 1000.0
        self.now = 1000.0
        self.asked: list[str] = []
        nodes: Any = SimpleNamespace(seen_at=self._seen_at, ask_for=self._ask_for)
        self.others = KnownNodes(nodes, cast(Any, None), cast(Any, self), node="b")

    async def _seen_at(self, _: str) -> float | None:
        return self.seen

    async def _ask_for(self, archive_hash: str) -> None:
        self.asked.append(archive_hash)

    def wall(self) -> float:
        """The server's time."""
        return self.now

    def monotonic(self) -> float:
        """The same, from elsewhere."""
        return self.now - 500

    async def refusal(self) -> type[Exception]:
        """What a reader of an archive of node `a` is told."""
        return type(await self.others.refusal(an_archive(released_by="a")))


def test_archive_belongs_to_the_node_that_has_what_proves_it() -> None:
    """One that nobody has given out, or this node, or of which every file proves itself, is nobody else's."""
    others = World().others
    assert [others.has(an_archive(released_by=node)) for node in (None, "b", "a")] == [False, False, True]


async def test_archive_is_stale_where_its_node_is_lost_for_good() -> None:
    """After a minute, and once it had time to show itself since that was noticed."""
    world = World()
    world.now += LOST - 1
    assert await world.refusal() is Elsewhere
    world.now += 2
    assert await world.refusal() is Elsewhere
    world.now += SUSPECTED - 1
    assert await world.refusal() is Elsewhere
    world.now += 1
    assert await world.refusal() is Stale
    world.seen = None  # forgotten
    assert await world.refusal() is Stale


async def test_other_node_is_asked_for_an_archive_once_in_a_while() -> None:
    """However many readers ask for it here."""
    world = World()
    for _ in range(3):
        assert await world.refusal() is Elsewhere
    assert world.asked == [an_archive().hash]
    world.now += ASKED_AGAIN
    assert await world.refusal() is Elsewhere
    assert world.asked == [an_archive().hash] * 2


async def test_node_is_not_lost_because_the_store_was_away() -> None:
    """In an outage nobody is seen: all are, soon after its end."""
    world = World()
    world.now += 10 * LOST
    assert await world.refusal() is Elsewhere
    world.seen = world.now = world.now + 5
    assert await world.refusal() is Elsewhere
    world.now += SUSPECTED
    assert await world.refusal() is Elsewhere
    world.now += LOST
    assert await world.refusal() is Elsewhere
