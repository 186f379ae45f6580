"""Finished copies on their way into the bucket: the queued offloads of one node, tried again while the bucket fails."""

import asyncio
import contextlib
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from streamzip.clock import Clock
from streamzip.errors import NotFound, NotReady, Problem
from streamzip.jobs.stored import StoredKind
from streamzip.jobs.turns import Turn
from streamzip.logs import event
from streamzip.objects.port import BucketError
from streamzip.store.faults import STORE_UNAVAILABLE
from streamzip.store.jobs import OFFLOAD, Jobs
from streamzip.store.queues import OFFLOADS
from streamzip.store.rows import JobRow

logger = logging.getLogger(__name__)

AT_ONCE: Final = 1  # each holds some parts in memory, and takes from the downloads what it gets of the line
FIRST_WAIT: Final = 5.0  # seconds; every further wait is three times as long
LONGEST_WAIT: Final = 600.0

TURN: Final = 6  # the byte of the jobs' lock file that says which process offloads


@dataclass(frozen=True, slots=True)
class Offloading:
    """The queue of this node's copies for the bucket, and what wakes whoever works on it in this process."""

    name: str
    jobs: Jobs
    due: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, jobs: Jobs, node: str) -> Self:
        """Return the queue of the node of that name, beside those other `jobs`."""
        name = f"{OFFLOADS}@{node}"
        return cls(name, jobs.of_kind(f"{OFFLOAD}@{node}", name))


class Puts(Protocol):
    """Puts copies into the bucket."""

    async def offload(self, archive_hash: str) -> bool:
        """Put the archive's copy there; False where there is nothing to be done."""

    async def missing(self) -> Collection[str]:
        """Return the archives whose copy is here alone."""

    async def sweep(self) -> None:
        """Delete what is in the bucket and no archive's."""


class Offloads(StoredKind[JobRow]):
    """The kind of the offloads. The queue is this node's alone: the copies lie on its disk."""

    def __init__(self, queue: Offloading, puts: Puts, clock: Clock) -> None:
        super().__init__(queue.jobs, longest=LONGEST_WAIT)
        self.name = queue.name
        self._jobs = queue.jobs
        self._puts = puts
        self._clock = clock

    async def work(self, turn: Turn[JobRow]) -> None:
        """See Kind."""
        job = turn.row
        try:
            await self._puts.offload(job.hash)
        except NotFound:
            await self._jobs.done(job)
        except BucketError as error:
            await self._again(job, "bucket", str(error))
        except NotReady as problem:
            if problem.code == STORE_UNAVAILABLE:
                raise
            await self._again(job, problem.code, problem.detail)
        except Problem as problem:  # it is stale, or damaged: what readers get from here, others need not have
            event(logger, logging.WARNING, "offload_ended", archive=job.hash, code=problem.code)
            await self._jobs.done(job)
        except OSError as error:
            await self._again(job, "disk", error.strerror or type(error).__name__)
        except Exception as error:
            logger.exception("an offload failed unexpectedly", extra={"fields": {"archive": job.hash}})
            await self._again(job, "internal", type(error).__name__)
        else:
            await self._jobs.done(job)

    async def _again(self, job: JobRow, reason: str, detail: str) -> None:
        wait = min(LONGEST_WAIT, FIRST_WAIT * 3.0 ** min(job.attempts, 9))
        event(logger, logging.WARNING, "offload_failed", archive=job.hash, reason=reason, detail=detail, wait=wait)
        await self._jobs.fail(job, not_before=self._clock.wall() + wait, reason=reason)


class BucketSweep:
    """Deletes what is in the bucket and no archive's, and queues copies that were not put there."""

    def __init__(self, queue: Offloading, puts: Puts, clock: Clock) -> None:
        self._queue = queue
        self._puts = puts
        self._clock = clock

    async def once(self) -> None:
        """Do what is to be done now. Raises the store's problems."""
        for archive_hash in await self._puts.missing():
            if await self._queue.jobs.last(archive_hash) is None:
                with contextlib.suppress(NotFound):
                    await self._queue.jobs.add(archive_hash, now=self._clock.wall())
        self._queue.due.set()
        try:
            await self._puts.sweep()
        except BucketError as error:
            event(logger, logging.WARNING, "bucket_sweep_failed", error=str(error))
