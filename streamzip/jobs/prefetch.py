"""Background builds: the queued prefetches, so many at once, tried again later where the origins failed, taken up after
a restart.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from streamzip.clock import Clock
from streamzip.errors import Conflict, Damaged, NotFound, NotReady, Problem, Stale
from streamzip.logs import event
from streamzip.spool.locks import LockFile
from streamzip.store.repository import Repository
from streamzip.store.rows import JobRow

logger = logging.getLogger(__name__)

PREFETCH = "prefetch"
AT_ONCE = 4
FOR_GOOD = (Stale, NotFound, Damaged, Conflict)  # trying again cannot change these
GIVE_UP_AFTER = 8  # attempts; the last waits are some hours
FIRST_WAIT = 20.0  # seconds; every further wait is three times as long, at most an hour
LONGEST_WAIT = 3600.0


class Prefetches:
    """Runs the queue until cancelled. `fill` builds one archive and returns when its copy is durable; `on_given_up` is
    told of one that failed for good, and its code.

    Of several processes one runs it, the one that has the `leader` lock; the others take over when that one dies. What
    another process queued is found by looking into the store, every `look_every` seconds.
    """

    def __init__(
        self,
        repository: Repository,
        fill: Callable[[str], Awaitable[None]],
        clock: Clock,
        *,
        on_given_up: Callable[[str, str], Awaitable[None]],
        leader: LockFile,
        look_every: float,
    ) -> None:
        self._on_given_up = on_given_up
        self._leader = leader
        self._look_every = look_every
        self._repository = repository
        self._fill = fill
        self._clock = clock
        self._changed = asyncio.Event()
        self._running: dict[int, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """The queue changed."""
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled; what runs then is ended and stays queued."""
        try:
            while not self._leader.try_exclusive(0):  # noqa: ASYNC110 - the kernel tells nobody when a lock is free
                await asyncio.sleep(1.0)
            while True:
                self._changed.clear()
                await self._end_cancelled()
                await self._start_due()
                await self._sleep()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)
            self._leader.close()

    async def _start_due(self) -> None:
        for job in await self._repository.jobs.due(self._clock.wall(), longest=LONGEST_WAIT):
            if len(self._running) >= AT_ONCE:
                return
            if job.kind == PREFETCH and job.id not in self._running:
                task = self._running[job.id] = asyncio.create_task(self._work(job), name=job.hash)
                task.add_done_callback(partial(self._ended, job.id))

    def _ended(self, id: int, _: "asyncio.Task[None]") -> None:
        del self._running[id]
        self._changed.set()

    async def _end_cancelled(self) -> None:
        for task in list(self._running.values()):
            if await self._repository.jobs.pending(PREFETCH, task.get_name()) is None:
                task.cancel()

    async def _sleep(self) -> None:
        due = await self._repository.jobs.next_due()
        # Bounded, so that a clock set back by hand does not put a job off by as much.
        wait = self._look_every if due is None else min(self._look_every, max(0.0, due - self._clock.wall()))
        if due is not None and wait == 0.0 and self._running:
            wait = self._look_every  # what is due is running, or waits for a place: the end of a build wakes us
        # Not asyncio.wait_for: in Python 3.11 it loses a cancellation that comes in the same turn as the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._changed.wait()

    async def _filled(self, hash: str) -> None:
        while True:
            try:
                await self._fill(hash)
            except NotReady as not_yet:  # its origins are still being asked, or its copy is just being removed
                await asyncio.sleep(not_yet.retry_after or 1)
            else:
                return

    async def _work(self, job: JobRow) -> None:
        jobs = self._repository.jobs
        try:
            await self._filled(job.hash)
        except FOR_GOOD as problem:
            event(logger, logging.INFO, "prefetch_ended", archive=job.hash, code=problem.code)
            if isinstance(problem, Stale | Damaged):
                await self._on_given_up(job.hash, problem.code)
            await jobs.done(job.id)
        except (Problem, OSError) as error:
            code = error.code if isinstance(error, Problem) else "disk_unavailable"
            attempts = job.attempts + 1
            wait = min(LONGEST_WAIT, FIRST_WAIT * 3**job.attempts)
            event(logger, logging.WARNING, "prefetch_failed", archive=job.hash, code=code, attempts=attempts)
            if attempts >= GIVE_UP_AFTER:
                await self._on_given_up(job.hash, code)
            await jobs.fail(job.id, not_before=None if attempts >= GIVE_UP_AFTER else self._clock.wall() + wait)
        except Exception:
            logger.exception("prefetch failed unexpectedly", extra={"fields": {"archive": job.hash}})
            await jobs.fail(job.id, not_before=None)
        else:
            await jobs.done(job.id)
