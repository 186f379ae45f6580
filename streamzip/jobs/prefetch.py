"""Background builds: the queued prefetches, so many at once, tried again later where the origins failed, taken up after
a restart.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from streamzip.archives.build import PREFETCH
from streamzip.archives.events import Events
from streamzip.clock import Clock
from streamzip.errors import Conflict, Damaged, NotFound, NotReady, Problem, Stale
from streamzip.files.locks import LockFile
from streamzip.jobs.queue import Queue
from streamzip.logs import event
from streamzip.store.repository import Repository
from streamzip.store.rows import JobRow

logger = logging.getLogger(__name__)

AT_ONCE = 4
FOR_GOOD = (Stale, NotFound, Damaged, Conflict)  # trying again cannot change these
GIVE_UP_AFTER = 8  # attempts; the last waits are some hours
FIRST_WAIT = 20.0  # seconds; every further wait is three times as long, at most an hour
LONGEST_WAIT = 3600.0

TURN = 0  # the byte of the jobs' lock file that says which process builds


class Prefetches(Queue[JobRow]):
    """The builds. `fill` makes one archive and returns when its copy is durable; `events` are
    told of one that failed for good.
    """

    def __init__(
        self,
        repository: Repository,
        fill: Callable[[str], Awaitable[None]],
        clock: Clock,
        *,
        events: Events,
        changed: asyncio.Event,
        leader: LockFile,
        look_every: float,
    ) -> None:
        super().__init__(clock, leader, turn=TURN, at_once=AT_ONCE, look_every=look_every, changed=changed)
        self._jobs = repository.jobs
        self._fill = fill
        self._events = events

    async def _look(self) -> float:
        for task, job in list(self._running.items()):
            if await self._jobs.pending(PREFETCH, job.hash) is None:  # it was cancelled
                task.cancel()
        return await super()._look()

    async def _due(self, now: float, running: Sequence[JobRow], room: int) -> list[JobRow]:
        return await self._jobs.due(now, longest=LONGEST_WAIT, limit=room, ids=[job.id for job in running])

    async def _next_due(self, running: Sequence[JobRow]) -> float | None:
        return await self._jobs.next_due(ids=[job.id for job in running])

    def _log_wait(self, code: str) -> None:
        event(logger, logging.WARNING, "prefetches_wait", code=code)

    async def _filled(self, hash: str) -> None:
        while True:
            try:
                await self._fill(hash)
            except NotReady as not_yet:  # its origins are still being asked, or its copy is just being removed
                await asyncio.sleep(not_yet.retry_after or 1)
            else:
                return

    async def _work(self, job: JobRow) -> None:
        try:
            await self._filled(job.hash)
        except FOR_GOOD as problem:
            event(logger, logging.INFO, "prefetch_ended", archive=job.hash, code=problem.code)
            if isinstance(problem, Stale | Damaged):
                await self._events.failed(job.hash, problem.code, for_good=True)
            await self._jobs.done(job.id)
        except (Problem, OSError) as error:
            code = error.code if isinstance(error, Problem) else "disk_unavailable"
            attempts = job.attempts + 1
            wait = min(LONGEST_WAIT, FIRST_WAIT * 3**job.attempts)
            event(logger, logging.WARNING, "prefetch_failed", archive=job.hash, code=code, attempts=attempts)
            if attempts >= GIVE_UP_AFTER:
                await self._events.failed(job.hash, code, for_good=True)
            await self._jobs.fail(job.id, not_before=None if attempts >= GIVE_UP_AFTER else self._clock.wall() + wait)
        except Exception:
            logger.exception("prefetch failed unexpectedly", extra={"fields": {"archive": job.hash}})
            await self._jobs.fail(job.id, not_before=None)
        else:
            await self._jobs.done(job.id)
