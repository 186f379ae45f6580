"""Any dispatcher: what was queued is done once, in its time, and outlives whoever had it in hand."""

import asyncio

from streamzip.errors import BuildFailed, NotReady
from tests.contract.jobs.conftest import World

A, B, C = "a" * 32, "b" * 32, "c" * 32


async def forever() -> None:
    await asyncio.Event().wait()


async def test_queued_work_is_done_whenever_it_was_queued(world: World) -> None:
    """Before the dispatcher began, and while it waits."""
    repository = await world.open()
    await world.queue(repository, A)
    async with world.running(repository):
        await world.until_done(repository, A)
        await world.queue(repository, B)
        await world.until_done(repository, B)
    assert world.ended == {A: 1, B: 1}


async def test_work_is_tried_again_when_it_was_put_off_or_failed(world: World) -> None:
    """At its time, with a reason meanwhile; what failed for good stays and says why."""
    repository = await world.open()

    async def not_yet() -> None:
        if world.begun[A] == 1:
            raise NotReady("not yet", retry_after=1)

    async def never() -> None:
        raise BuildFailed("nothing can be had", code="no_entries", lasting=True)

    world.answers = {A: not_yet, B: never}
    await world.queue(repository, A)
    await world.queue(repository, B)
    async with world.running(repository):
        await world.until(lambda: world.begun[A] == 1 and world.begun[B] == 1)
        await world.until_done(repository, A)
        failed = await repository.jobs.last(B)
    assert world.begun == {A: 2, B: 1}
    assert failed is not None
    assert (failed.state, failed.reason) == ("failed", "no_entries")


async def test_work_is_ended_when_it_is_taken_back(world: World) -> None:
    """While it is worked on, and it is not begun again."""
    repository = await world.open()
    world.answers = {A: forever}
    await world.queue(repository, A)
    async with world.running(repository, patience=1.0) as dispatcher:
        await world.until(lambda: world.begun[A] == 1)
        assert await repository.jobs.cancel(A)
        await world.until(lambda: dispatcher.counts()["prefetches"].running == 0)
    assert (world.begun[A], world.ended[A]) == (1, 0)


async def test_work_is_taken_over_when_a_process_ends(world: World) -> None:
    """What it had in hand is begun by another one, at once, and no attempt is counted."""
    repository = await world.open()
    world.answers = {A: forever}
    await world.queue(repository, A)
    async with world.running(repository):
        await world.until(lambda: world.begun[A] == 1)
    job = await repository.jobs.pending(A)
    assert job is not None
    assert (job.attempts, job.waits) == (0, 0)
    world.answers = {}
    async with world.running(await world.open()):
        await world.until_done(repository, A)
    assert world.ended == {A: 1}


async def test_each_piece_is_done_once_by_two_processes(world: World) -> None:
    """However many of them look."""
    repository, other = await world.open(), await world.open()
    hashes = [f"{number:032x}" for number in range(20)]
    async with world.running(repository), world.running(other):
        for hash in hashes:
            await world.queue(repository, hash)
        await world.until_done(repository, *hashes)
    assert world.begun == dict.fromkeys(hashes, 1)


async def test_a_slot_goes_to_what_waits_when_its_holder_brings_nothing(world: World) -> None:
    """One that hangs in the only slot is put off, and says why."""
    repository = await world.open()
    world.answers = {A: forever}
    await world.queue(repository, A)
    async with world.running(repository, slots=1, patience=0.2) as dispatcher:
        await world.until(lambda: world.begun[A] == 1)
        await world.queue(repository, B)
        await world.until_done(repository, B)
        hung = await repository.jobs.pending(A)
        assert hung is not None
        assert (hung.reason, hung.waits) == ("not_ready", 1)
        await world.until(lambda: dispatcher.counts()["prefetches"].running == 0)


async def test_work_is_done_once_at_a_time_when_it_is_queued_again(world: World) -> None:
    """Whoever asks anew for what is under way, in whatever process, has it neither doubled nor lost."""
    repository, other = await world.open(), await world.open()
    go_on = asyncio.Event()

    async def held() -> None:
        await go_on.wait()

    world.answers = {A: held}
    await world.queue(repository, A)
    async with world.running(repository), world.running(other):
        await world.until(lambda: world.begun[A] == 1)
        for _ in range(5):
            await repository.jobs.add(A, now=repository.clock.wall())
        await world.queue(repository, B)
        await world.until_done(repository, B)
        assert (world.begun[A], world.ended[A]) == (1, 0)
        go_on.set()
        await world.until_done(repository, A)
