"""Work that PostgreSQL wakes somebody for: with the change that queues it, or not at all; again where it was lost."""

import pytest

from streamzip.errors import NotFound
from streamzip.jobs import on_procrastinate
from tests.contract.jobs.conftest import World
from tests.support import postgresql

A = "a" * 32

pytestmark = [
    pytest.mark.needs("postgresql"),
    pytest.mark.parametrize("world", ["procrastinate"], indirect=True),
]


def wakes(world: World) -> int:
    assert world.url is not None
    [(count,)] = postgresql.query(world.url, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")
    return int(count)


async def test_nobody_is_woken_for_a_change_that_was_not_made(world: World) -> None:
    """The wake is part of the transaction, and a new one comes with each time that a row is put off to."""
    repository = await world.open()
    with pytest.raises(NotFound):
        await repository.jobs.add(A, now=1.0)
    assert wakes(world) == 0
    await world.queue(repository, A)
    assert wakes(world) == 1


async def test_work_that_nobody_was_woken_for_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row without a wake, as a restored backup has them, is done within a minute, and once."""
    monkeypatch.setattr(on_procrastinate, "LOST_AFTER", 0.0)
    repository = await world.open()
    await world.queue(await world.open(woken=False), A)
    assert wakes(world) == 0
    async with world.running(repository) as dispatcher:
        assert isinstance(dispatcher, on_procrastinate.OnProcrastinate)
        await world.until(lambda: dispatcher.answered_within(1.0))
        for _ in range(2):
            await dispatcher.reconcile()
        await world.until_done(repository, A)
    assert world.begun == {A: 1}
