"""Background builds: the queued prefetches, tried again later where the origins failed or were slow."""

import logging
from typing import Final, Protocol

from streamzip.archives.build import Progress
from streamzip.archives.events import Events
from streamzip.clock import Clock
from streamzip.errors import BuildFailed, Conflict, Damaged, NotFound, NotReady, Problem, Stale
from streamzip.jobs.kinds import after_yielding
from streamzip.jobs.stored import SharedKind
from streamzip.jobs.turns import Turn
from streamzip.logs import event
from streamzip.retry import grown
from streamzip.store.faults import STORE_UNAVAILABLE
from streamzip.store.queues import NOT_READY, PREFETCHES, SLOW
from streamzip.store.repository import Repository
from streamzip.store.rows import JobRow

logger = logging.getLogger(__name__)

FOR_GOOD = (Stale, NotFound, Damaged, Conflict)  # trying again cannot change these
GIVE_UP_AFTER = 8  # attempts; the last waits are some hours
FIRST_WAIT = 20.0  # seconds; every further wait is three times as long, at most an hour
LONGEST_WAIT = 3600.0
STALLED: Final = "timed_out"  # the code of a build of which nothing came in a whole turn

TURN = 0  # the byte of the jobs' lock file that says which process builds


class Fills(Protocol):
    """Makes copies."""

    async def fill(self, archive_hash: str, progress: Progress) -> None:
        """Make the archive's copy, and return when that is durable."""


class Prefetches(SharedKind[JobRow]):
    """The kind of the builds; `events` are told of one that failed for good. `slots`: builds at a time."""

    name = PREFETCHES

    def __init__(self, repository: Repository, fills: Fills, clock: Clock, *, events: Events, slots: int) -> None:
        super().__init__(repository.jobs, longest=LONGEST_WAIT, slots=slots)
        self._jobs = repository.jobs
        self._fills = fills
        self._clock = clock
        self._events = events

    async def yielded(self, turn: Turn[JobRow]) -> None:
        """See Yielding: a build of which nothing came has failed; one that drips, or waits, goes on later."""
        if turn.gained == 0:
            await self._failed(turn.row, STALLED)
        else:
            reason = NOT_READY if turn.gained is None else SLOW
            await self._put_off(turn.row, reason, after_yielding(turn.row.waits))

    async def work(self, turn: Turn[JobRow]) -> None:
        """See Kind."""
        job = turn.row
        if job.reason is not None:
            await self._jobs.begun(job)
        turn.measured = progress = Progress()
        try:
            await self._fills.fill(job.hash, progress)
        except FOR_GOOD as problem:
            if isinstance(problem, Stale | Damaged):
                await self._events.failed(job.hash, problem.code, for_good=True)
            await self._ended(job, problem.code)
        except NotReady as problem:
            if problem.code == STORE_UNAVAILABLE:
                raise
            await self._put_off(job, problem.code, max(problem.retry_after or 1, grown(1.0, 60.0, job.waits)))
        except (Problem, OSError) as error:
            if isinstance(error, BuildFailed) and error.lasting:
                await self._ended(job, error.code)
            else:
                await self._failed(job, error.code if isinstance(error, Problem) else "disk_unavailable")
        except Exception:
            logger.exception("prefetch failed unexpectedly", extra={"fields": {"archive": job.hash}})
            await self._jobs.fail(job, not_before=None, reason="internal")
        else:
            await self._jobs.done(job)

    async def _put_off(self, job: JobRow, reason: str, wait: float) -> None:
        if reason != job.reason or not job.waits:
            event(logger, logging.INFO, "prefetch_put_off", archive=job.hash, reason=reason, wait=round(wait, 1))
        await self._jobs.put_off(job, not_before=self._clock.wall() + wait, reason=reason)

    async def _ended(self, job: JobRow, code: str) -> None:
        event(logger, logging.INFO, "prefetch_ended", archive=job.hash, code=code)
        await self._jobs.fail(job, not_before=None, reason=code)

    async def _failed(self, job: JobRow, code: str) -> None:
        attempts = job.attempts + 1
        wait = min(LONGEST_WAIT, FIRST_WAIT * 3**job.attempts)
        event(logger, logging.WARNING, "prefetch_failed", archive=job.hash, code=code, attempts=attempts)
        if attempts >= GIVE_UP_AFTER:
            await self._events.failed(job.hash, code, for_good=True)
        not_before = None if attempts >= GIVE_UP_AFTER else self._clock.wall() + wait
        await self._jobs.fail(job, not_before=not_before, reason=code)
