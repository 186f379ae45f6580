"""Offloads over a real store, with a bucket that the test lets fail."""

from pathlib import Path

import pytest

from streamzip.errors import NotFound, NotReady, Stale
from streamzip.jobs.offloads import FIRST_WAIT, Offloading, Offloads
from streamzip.jobs.turns import Turn
from streamzip.objects.port import BucketError
from streamzip.store.repository import Repository
from streamzip.store.rows import JobRow
from tests.unit.jobs.running import Clock
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32


class Puts:
    """Fails as it is told."""

    def __init__(self, failure: BaseException | None) -> None:
        self.failure = failure

    async def offload(self, archive_hash: str) -> bool:
        if self.failure is not None:
            raise self.failure
        return True

    async def missing(self) -> list[str]:
        return []

    async def sweep(self) -> None:
        pass


async def left(folder: Path, failure: BaseException | None) -> JobRow | None:
    """Return what is left of the job after one attempt that ended so."""
    repository, clock = await Repository.open(folder / "streamzip.db"), Clock()
    try:
        await repository.create(an_archive(HASH), sealed())
        queue = Offloading.of(repository.jobs, "one")
        await queue.jobs.add(HASH, now=clock.now)
        [job] = await queue.jobs.due(clock.now, longest=60.0)
        await Offloads(queue, Puts(failure), clock).work(Turn(job, clock.now))
        return await queue.jobs.last(HASH)
    finally:
        await repository.close()


@pytest.mark.parametrize("failure", [None, NotFound("gone"), Stale("changed")], ids=["done", "gone", "stale"])
async def test_offload_that_nothing_can_change_leaves_the_queue(tmp_path: Path, failure: BaseException | None) -> None:
    """Done, or without anything that could be put there."""
    assert await left(tmp_path, failure) is None


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (BucketError("503 SlowDown"), "bucket"),
        (NotReady("later", code="no_room"), "no_room"),
        (OSError(28, "No space left on device"), "disk"),
        (RuntimeError("a fault of ours"), "internal"),
    ],
    ids=["bucket", "not_ready", "disk", "unexpected"],
)
async def test_offload_that_failed_is_counted_and_rests(tmp_path: Path, failure: Exception, reason: str) -> None:
    """Whatever it failed with: what is not counted would be tried every few seconds, for ever."""
    job = await left(tmp_path, failure)
    assert job is not None
    assert (job.attempts, job.reason, job.not_before) == (1, reason, Clock().now + FIRST_WAIT)
