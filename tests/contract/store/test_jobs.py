"""The queue: nothing that was accepted is forgotten, nothing is there twice."""

import dataclasses

import pytest

from streamzip.errors import NotFound
from streamzip.store.queues import LeftOut
from streamzip.store.repository import Repository
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32


@pytest.fixture
async def archive(repository: Repository) -> str:
    await repository.create(an_archive(), sealed())
    return HASH


async def test_add_queues_one_job_when_it_is_asked_for_twice(repository: Repository, archive: str) -> None:
    """A kind of work stands once for an archive; another kind beside it."""
    await repository.jobs.add(archive, now=10.0)
    await repository.jobs.add(archive, now=20.0)
    offloads = repository.jobs.of_kind("offload@one", "offloads@one")
    await offloads.add(archive, now=5.0)
    for queue, expected in ((repository.jobs, ("prefetch", 20.0)), (offloads, ("offload@one", 5.0))):
        assert [(job.kind, job.not_before) for job in await queue.due(20.0, longest=1e12)] == [expected]
        assert await queue.next_due() == expected[1]
    assert await offloads.cancel(archive)
    assert await repository.jobs.pending(archive) is not None


async def test_add_refuses_when_the_archive_is_gone(repository: Repository) -> None:
    """There is no work for an archive that was deleted."""
    with pytest.raises(NotFound):
        await repository.jobs.add(HASH, now=1.0)


DAY = 86_400.0


@pytest.mark.parametrize("attempts", [0, 1])
async def test_due_takes_jobs_when_the_clock_was_set_back(repository: Repository, archive: str, attempts: int) -> None:
    """Queued just now, or put off by seconds: a clock that goes back a day puts neither off by as much."""
    await repository.jobs.add(archive, now=3 * DAY)
    (job,) = await repository.jobs.due(3 * DAY, longest=3600)
    if attempts:
        await repository.jobs.fail(job, not_before=3 * DAY + 20, reason="origin_failed")
        assert await repository.jobs.due(3 * DAY, longest=3600) == []
    assert [job.hash for job in await repository.jobs.due(2 * DAY + 5, longest=3600)] == [archive]


async def test_due_leaves_out_jobs_when_their_time_has_not_come(repository: Repository, archive: str) -> None:
    """A job is due from its moment on, not before; next_due names that moment."""
    assert await repository.jobs.next_due() is None
    await repository.jobs.add(archive, now=1.0)
    (job,) = await repository.jobs.due(1.0, longest=1e12)
    await repository.jobs.fail(job, not_before=100.0, reason="origin_failed")
    assert await repository.jobs.due(99.9, longest=1e12) == []
    assert len(await repository.jobs.due(100.0, longest=1e12)) == 1
    assert await repository.jobs.next_due() == 100.0


async def test_due_gives_the_longest_waiting_when_there_are_more_than_asked(repository: Repository) -> None:
    """The oldest go first, so that none starves."""
    for number, now in enumerate((30.0, 10.0, 20.0)):
        await repository.create(an_archive(str(number), created_at=now), sealed(), build=True)
    assert [job.hash for job in await repository.jobs.due(99.0, longest=1e12, limit=2)] == ["1", "2"]


async def test_fail_puts_the_job_off_when_it_is_to_be_tried_again(repository: Repository, archive: str) -> None:
    """A failed attempt counts, and the job is due at the moment given."""
    await repository.jobs.add(archive, now=1.0)
    (job,) = await repository.jobs.due(1.0, longest=1e12)
    await repository.jobs.fail(job, not_before=60.0, reason="origin_failed")
    assert await repository.jobs.due(59.0, longest=1e12) == []
    (again,) = await repository.jobs.due(60.0, longest=1e12)
    assert (again.id, again.attempts, again.created_at) == (job.id, 1, 1.0)


async def test_fail_ends_the_job_when_it_is_given_up(repository: Repository, archive: str) -> None:
    """A job given up is never due, and starts afresh when somebody asks again."""
    await repository.jobs.add(archive, now=1.0)
    (job,) = await repository.jobs.due(1.0, longest=1e12)
    await repository.jobs.fail(job, not_before=None, reason="no_entries")
    assert await repository.jobs.due(1e9, longest=1e12) == []
    assert await repository.jobs.next_due() is None
    assert await repository.jobs.pending(archive) is None

    await repository.jobs.add(archive, now=70.0)
    (again,) = await repository.jobs.due(70.0, longest=1e12)
    assert (again.attempts, again.state) == (0, "queued")


async def test_done_removes_the_job_when_the_work_was_made(repository: Repository, archive: str) -> None:
    """Work that was done does not come back at the next start."""
    await repository.jobs.add(archive, now=1.0)
    (job,) = await repository.jobs.due(1.0, longest=1e12)
    await repository.jobs.done(job)
    await repository.jobs.done(job)
    assert await repository.jobs.pending(archive) is None


async def test_done_leaves_the_successor_when_its_own_job_was_cancelled(repository: Repository, archive: str) -> None:
    """A worker that ends late, after a cancel and a new request, does not end the new job."""
    await repository.jobs.add(archive, now=1.0)
    (cancelled,) = await repository.jobs.due(1.0, longest=1e12)
    assert await repository.jobs.cancel(archive)
    await repository.jobs.add(archive, now=2.0)
    await repository.jobs.done(cancelled)
    assert await repository.jobs.pending(archive) is not None


async def test_cancel_says_so_when_there_was_nothing_to_cancel(repository: Repository, archive: str) -> None:
    """Cancelling is idempotent."""
    await repository.jobs.add(archive, now=1.0)
    assert await repository.jobs.cancel(archive)
    assert not await repository.jobs.cancel(archive)


async def test_claim_gives_a_job_to_whoever_takes_it_up_last(repository: Repository, archive: str) -> None:
    """Whoever had it before, and was taken for dead, changes nothing of it any more; nor is it due before its time."""
    await repository.jobs.add(archive, now=1.0)
    (job,) = await repository.jobs.due(1.0, longest=1e12)
    first = await repository.jobs.claim(str(job.id), 1.0)
    second = await repository.jobs.claim(str(job.id), 1.0)
    assert first is not None
    assert second is not None
    await repository.jobs.done(first)
    await repository.jobs.put_off(first, not_before=99.0, reason="slow")
    await repository.jobs.fail(first, not_before=None, reason="origin_failed")
    assert await repository.jobs.pending(archive) == second
    await repository.jobs.put_off(second, not_before=50.0, reason="slow")
    assert await repository.jobs.claim(str(job.id), 40.0) is None
    third = await repository.jobs.claim(str(job.id), 50.0)
    assert third is not None
    assert (third.reason, third.waits) == (None, 1)


async def test_waiting_says_of_each_job_why_it_waits(repository: Repository) -> None:
    """For a slot, or for its owner's share; what is worked on waits for nothing."""
    for number, owner in enumerate(("a", "a", "b", "b")):
        row = dataclasses.replace(an_archive(str(number), created_at=float(number)), owner=owner)
        await repository.create(row, sealed(), build=True)
    running, *_ = await repository.jobs.due(9.0, longest=1e12)
    left_out = LeftOut.of([running.id], [("owner", "a")])
    free = await repository.jobs.due(9.0, longest=1e12, left_out=left_out)
    assert [(job.hash, job.owner) for job in free] == [("2", "b"), ("3", "b")]
    for _ in range(2):
        counts = await repository.jobs.waiting(9.0, longest=1e12, left_out=left_out, no_room=True)
        assert counts == {"share": 1, "no_slot": 2}
    (blocked, *_) = await repository.jobs.due(9.0, longest=1e12, left_out=left_out)
    await repository.jobs.begun(blocked)
    assert [job.reason for job in await repository.jobs.due(9.0, longest=1e12)] == [None, "share", None, "no_slot"]
