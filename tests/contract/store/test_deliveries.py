"""Deliveries: written with what they tell of, once for each receiver, and kept until they are told or given up."""

import random
from typing import Any

import pytest

from streamzip.errors import InvalidRequest, NotFound
from streamzip.store.deliveries import DELIVERED, GONE, MOST_HOOKS
from streamzip.store.queues import QUEUED, LeftOut
from streamzip.store.repository import Repository
from streamzip.store.rows import DeliveryRow, Event
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32
HOOK = "https://hooks.example/a?token=s3cret"
OPERATOR = "http://receiver.internal:9000/all"


def an_event(at: float = 10.0, **fields: Any) -> Event:
    facts: dict[str, Any] = {"type": "archive.completed", "at": at, "body": b"{}", "predefined": None}
    return Event(**(facts | fields))


@pytest.fixture
async def archive(repository: Repository) -> str:
    await repository.create(an_archive(), sealed())
    return HASH


async def all_due(repository: Repository) -> list[DeliveryRow]:
    return await repository.deliveries.due(1e12, longest=1e12, limit=100)


async def test_completion_queues_a_delivery_for_each_receiver(repository: Repository, archive: str) -> None:
    """Those that creates named and the operator's, each with an id of its own."""
    await repository.deliveries.add_hook(archive, HOOK)
    await repository.deliveries.add_hook(archive, HOOK)
    await repository.set_completed(archive, at=10.0, size=1, event=an_event(predefined=OPERATOR))
    found = {row.url: row for row in await all_due(repository)}
    assert set(found) == {HOOK, OPERATOR}
    assert (found[HOOK].receiver, found[HOOK].predefined) == ("hooks.example:443", False)
    assert (found[OPERATOR].receiver, found[OPERATOR].predefined) == ("receiver.internal:9000", True)
    assert len({row.id for row in found.values()}) == 2


async def test_receiver_of_the_longest_url_is_told_like_any_other(repository: Repository, archive: str) -> None:
    """Subscribed twice, told once; gone, told no more: also with a URL that is too long for some indexes."""
    url = f"https://hooks.example/{random.Random(1).randbytes(4000).hex()}"
    for _ in range(2):
        await repository.deliveries.add_hook(archive, url)
    await repository.set_completed(archive, at=10.0, size=1, event=an_event())
    assert [row.url for row in await all_due(repository)] == [url]
    await repository.deliveries.gone(url, at=11.0)
    await repository.deliveries.tell(archive, url, an_event(20.0, type="archive.failed"))
    assert await all_due(repository) == []


async def test_completion_is_told_once_when_it_happens_again(repository: Repository, archive: str) -> None:
    """A copy that was evicted and built anew is no news."""
    await repository.set_completed(archive, at=10.0, size=1)
    await repository.set_completed(archive, at=20.0, size=1, event=an_event(predefined=OPERATOR))
    assert await all_due(repository) == []


async def test_completion_tells_nobody_when_the_archive_is_gone(repository: Repository) -> None:
    """What was deleted meanwhile is not announced."""
    assert not await repository.set_completed(HASH, at=10.0, size=1, event=an_event(predefined=OPERATOR))
    assert await all_due(repository) == []


async def test_operators_receiver_is_the_operators_when_a_client_names_it_too(
    repository: Repository, archive: str
) -> None:
    """A client cannot take the exemption from the operator's own receiver by naming it."""
    await repository.deliveries.add_hook(archive, OPERATOR)
    await repository.set_completed(archive, at=10.0, size=1, event=an_event(predefined=OPERATOR))
    (row,) = await all_due(repository)
    assert row.predefined


async def test_failure_is_told_beside_a_later_completion(repository: Repository, archive: str) -> None:
    """Two events, two deliveries; the same failure twice is one."""
    await repository.deliveries.add_hook(archive, HOOK)
    for _ in range(2):
        await repository.set_code(archive, "no_entries", event=an_event(5.0, type="archive.failed"))
    await repository.set_completed(archive, at=10.0, size=1, event=an_event())
    assert [row.type for row in await repository.deliveries.of(archive)] == ["archive.failed", "archive.completed"]


async def test_tell_queues_anew_when_the_delivery_has_ended(repository: Repository, archive: str) -> None:
    """A repeated create is told again, under the same id; one that still waits is left as it is."""
    await repository.deliveries.tell(archive, HOOK, an_event(10.0))
    (first,) = await all_due(repository)
    await repository.deliveries.again(first, not_before=50.0, outcome="http_503")
    await repository.deliveries.tell(archive, HOOK, an_event(20.0))
    (waiting,) = await all_due(repository)
    assert (waiting.id, waiting.not_before, waiting.attempts, waiting.outcome) == (first.id, 50.0, 1, "http_503")
    await repository.deliveries.ended(first, state=DELIVERED, at=51.0, outcome="http_200")
    assert await all_due(repository) == []
    await repository.deliveries.tell(archive, HOOK, an_event(60.0, body=b"newer"))
    (again,) = await all_due(repository)
    assert (again.id, again.body, again.attempts, again.not_before) == (first.id, b"newer", 0, 60.0)


async def test_due_leaves_out_what_runs_and_who_is_busy(repository: Repository, archive: str) -> None:
    """A receiver with its share of connections does not stand before the others."""
    for number in range(3):
        await repository.deliveries.tell(archive, f"https://slow.example/{number}", an_event(1.0))
    await repository.deliveries.tell(archive, HOOK, an_event(2.0))
    busy = LeftOut.of([], [("receiver", "slow.example:443")])
    assert [row.url for row in await repository.deliveries.due(9, longest=1e12, limit=1, left_out=busy)] == [HOOK]
    rows = await repository.deliveries.due(9, longest=1e12, limit=2)
    running = [row.id for row in rows]
    assert len(await repository.deliveries.due(9, longest=1e12, limit=9, left_out=LeftOut(running))) == 2
    await repository.deliveries.again(rows[0], not_before=50.0, outcome="timed_out")
    assert len(await repository.deliveries.due(49, longest=1e12, limit=9)) == 3
    assert await repository.deliveries.next_due() == 1.0
    assert await repository.deliveries.next_due(busy) == 2.0
    every = LeftOut.of([], [("receiver", "slow.example:443"), ("receiver", "hooks.example:443")])
    assert await repository.deliveries.next_due(every) is None


async def test_gone_ends_all_that_waits_for_a_receiver(repository: Repository, archive: str) -> None:
    """Of every archive, and nothing new is queued, until somebody asks for it anew."""
    other = "b" * 32
    await repository.create(an_archive(other), sealed())
    for each in (archive, other):
        await repository.deliveries.tell(each, HOOK, an_event())
    await repository.deliveries.gone(HOOK, at=11.0)
    await repository.deliveries.gone(HOOK, at=12.0)
    assert await all_due(repository) == []
    assert {row.state for each in (archive, other) for row in await repository.deliveries.of(each)} == {GONE}
    await repository.set_code(archive, "no_entries", event=an_event(type="archive.failed", predefined=HOOK))
    assert await all_due(repository) == []
    await repository.deliveries.accept_again(HOOK)
    await repository.set_code(archive, "no_entries", event=an_event(type="archive.failed", predefined=HOOK))
    assert len(await all_due(repository)) == 1


async def test_hook_is_told_again_when_a_create_names_it_after_it_was_gone(
    repository: Repository, archive: str
) -> None:
    """The client that names a receiver speaks for it."""
    await repository.deliveries.gone(HOOK, at=1.0)
    await repository.deliveries.add_hook(archive, HOOK)
    await repository.set_completed(archive, at=10.0, size=1, event=an_event())
    assert len(await all_due(repository)) == 1


async def test_add_hook_refuses_one_too_many(repository: Repository, archive: str) -> None:
    """An archive's event goes to a bounded number of receivers; those that it has stay."""
    for number in range(MOST_HOOKS):
        await repository.deliveries.add_hook(archive, f"{HOOK}{number}")
    with pytest.raises(InvalidRequest, match="/webhook"):
        await repository.deliveries.add_hook(archive, HOOK)
    await repository.deliveries.add_hook(archive, f"{HOOK}0")
    assert len(await repository.deliveries.hooks(archive)) == MOST_HOOKS


async def test_add_hook_refuses_when_the_archive_is_gone(repository: Repository) -> None:
    """Nobody can be told of an archive that is not there."""
    with pytest.raises(NotFound):
        await repository.deliveries.add_hook(HASH, HOOK)


async def test_deliveries_outlive_their_archive_until_they_end(repository: Repository, archive: str) -> None:
    """An event that happened is delivered although its archive expired; then nothing of it is left."""
    await repository.deliveries.add_hook(archive, HOOK)
    await repository.set_completed(archive, at=10.0, size=1, event=an_event(predefined=OPERATOR))
    first, second = await all_due(repository)
    await repository.delete(archive)
    await repository.deliveries.ended(first, state=DELIVERED, at=11.0, outcome="http_204")
    await repository.deliveries.sweep()
    assert [(row.id, row.state) for row in await repository.deliveries.of(archive)] == [(second.id, QUEUED)]
    await repository.deliveries.forget(archive)
    assert await repository.deliveries.of(archive) == []


async def test_sweep_keeps_ended_deliveries_of_archives_that_stand(repository: Repository, archive: str) -> None:
    """The status goes on showing what became of them."""
    await repository.deliveries.tell(archive, HOOK, an_event())
    (row,) = await all_due(repository)
    await repository.deliveries.ended(row, state=DELIVERED, at=11.0, outcome="http_200")
    await repository.deliveries.sweep()
    assert [each.outcome for each in await repository.deliveries.of(archive)] == ["http_200"]


async def test_sweep_forgets_who_wanted_no_more_when_nobody_names_him(repository: Repository, archive: str) -> None:
    """Else each archive could leave one behind for ever; those of archives that stand and the operator's are kept."""
    other = "https://hooks.example/other"
    await repository.deliveries.accept_again(OPERATOR)
    await repository.deliveries.add_hook(archive, HOOK)
    for url in (HOOK, OPERATOR, other):
        await repository.deliveries.gone(url, at=1.0)
    await repository.deliveries.sweep()
    await repository.set_code(archive, "no_entries", event=an_event(type="archive.failed", predefined=OPERATOR))
    assert await all_due(repository) == []
    await repository.deliveries.tell(archive, other, an_event())
    assert [row.url for row in await all_due(repository)] == [other]


def test_rows_show_no_url_when_they_are_printed() -> None:
    """A hook's URL is a secret as a whole: it stands in no repr."""
    event = an_event(predefined=HOOK)
    assert "s3cret" not in repr(event)
