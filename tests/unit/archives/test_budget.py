"""Budgets for the archives that are kept: whom they stop, and when they let go."""

from typing import cast

import pytest

from streamzip.archives.budget import FULL, Budget, Keeping
from streamzip.clock import Clock
from streamzip.errors import NoRoom
from streamzip.store.catalogue import Usage
from streamzip.store.repository import Repository


class Store:
    """What a store counts, and how often it was asked."""

    def __init__(self, **usage: tuple[int, int]) -> None:
        self.catalogue = self
        self.counted = {owner if owner != "nobody" else None: Usage(*each) for owner, each in usage.items()}
        self.asked = 0
        self.now = 100.0

    async def usage(self) -> dict[str | None, Usage]:
        self.asked += 1
        return dict(self.counted)

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1e9 + self.now


def budget(store: Store, **keeping: int) -> Budget:
    most = {"archives": 100, "bytes": 10_000} | keeping
    return Budget(cast(Repository, store), cast(Clock, store), Keeping(**most))


async def refused(budget: Budget, owner: str | None, size: int = 1) -> bool:
    try:
        await budget.take(owner, size)
    except NoRoom as problem:
        assert problem.code == FULL
        assert "delete some" in problem.detail
        return True
    return False


@pytest.mark.parametrize(
    ("keeping", "owner", "size", "over"),
    [
        ({"archives": 6}, "ann", 1, False),
        ({"archives": 5}, "ann", 1, True),
        ({"archives": 5}, None, 1, True),
        ({"bytes": 130}, "new", 30, False),
        ({"bytes": 130}, "new", 31, True),
        ({"key_archives": 2}, "ann", 1, True),
        ({"key_archives": 3}, "ann", 1, False),
        ({"key_archives": 1}, "new", 1, False),
        ({"key_archives": 1}, None, 1, False),
        ({"key_bytes": 50}, "ann", 20, False),
        ({"key_bytes": 50}, "ann", 21, True),
        ({"key_bytes": 1}, None, 20, False),
    ],
)
async def test_budget_stops_what_would_pass_it(
    keeping: dict[str, int], owner: str | None, size: int, over: bool
) -> None:
    """Of one key where the archive has one, and of all."""
    store = Store(ann=(2, 30), bob=(1, 40), nobody=(2, 30))
    assert await refused(budget(store, **keeping), owner, size) is over


async def test_what_is_taken_counts_at_once() -> None:
    """Without asking the store again: it is asked now and then, and before a create is refused for an old count."""
    store = Store(ann=(1, 10))
    own = budget(store, archives=3)
    assert [await refused(own, "ann") for _ in range(4)] == [False, False, True, True]
    assert store.asked == 1
    store.counted = {}
    assert await refused(own, "ann")
    store.now += 1.0
    assert not await refused(own, "ann")
    assert store.asked == 2
    store.now += 10.0
    assert not await refused(own, "ann")
    assert store.asked == 3
