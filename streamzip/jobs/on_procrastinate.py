"""Queued work woken by procrastinate, on the PostgreSQL that the store is in: by any process of any machine.

procrastinate decides who works on a row, and when; our tables stay the truth. A row is taken up by counting its claims,
so that whoever was taken for dead and comes back changes nothing of it. A wake that is lost costs a minute.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import procrastinate
from procrastinate.exceptions import ProcrastinateException

from streamzip.clock import Clock
from streamzip.errors import Problem
from streamzip.jobs.bench import Bench
from streamzip.jobs.kinds import Counts
from streamzip.jobs.port import Works
from streamzip.logs import event
from streamzip.store.engine import TASK, lock_of
from streamzip.store.queues import NOTHING

logger = logging.getLogger(__name__)

HOUSEKEEPING: Final = "housekeeping"
BEAT_EVERY: Final = 3.0  # seconds between two signs of life, in the database
STALLED_AFTER: Final = 9.0  # seconds without one, and a worker's rows are given to others
LOOK_EVERY: Final = 1.0
POLL_EVERY: Final = 1.0  # for what was put off; of what is due now the server tells
ANSWERS_WITHIN: Final = 5.0  # seconds; a server that is away is found away, and not waited for
LOST_AFTER: Final = 30.0  # seconds for which a row has been due; what nobody was woken for then is woken again
ENDS_WITHIN: Final = 2.0  # seconds that work gets to end when its process does

_KNOWN: Final = """SELECT args->>'id' AS id FROM procrastinate_jobs
WHERE queue_name = %(queue)s AND status IN ('todo', 'doing') AND args->>'id' = ANY(%(ids)s)"""
_DOING: Final = "SELECT queue_name, args->>'id' AS id FROM procrastinate_jobs WHERE status = 'doing'"


class OnProcrastinate:
    """See Dispatcher. `connection`: libpq's parameters."""

    def __init__(self, works: Works, clock: Clock, connection: Mapping[str, Any]) -> None:
        self._clock = clock
        self._benches: dict[str, Bench[Any]] = {work.kind.name: Bench(work, clock) for work in works}
        connector = procrastinate.PsycopgConnector(
            kwargs={**connection, "application_name": "streamzip worker"},
            min_size=1,
            max_size=8,
            timeout=ANSWERS_WITHIN,
        )
        self._app = app = procrastinate.App(connector=connector)
        app.task(name=TASK, pass_context=True)(self._work)
        # By the second, which is croniter's last field.
        app.periodic(cron="* * * * * */3")(app.task(name="rescue", queue=HOUSEKEEPING)(self.rescue))
        app.periodic(cron="* * * * * 0")(app.task(name="reconcile", queue=HOUSEKEEPING)(self.reconcile))
        self._answered_at: float | None = None

    def answered_within(self, seconds: float) -> bool:
        """Return whether the database answered not longer ago than that."""
        return self._answered_at is not None and time.monotonic() - self._answered_at <= seconds

    def counts(self) -> Mapping[str, Counts]:
        """See Dispatcher."""
        return {name: bench.counts() for name, bench in self._benches.items()}

    async def run(self) -> None:
        """See Dispatcher: it ends by itself where a connection broke."""
        async with self._app.open_async():
            queues = {HOUSEKEEPING: 1} | {name: bench.work.at_once for name, bench in self._benches.items()}
            tasks = [asyncio.create_task(self._run_worker(name, count)) for name, count in queues.items()]
            tasks.append(asyncio.create_task(self._look_on()))
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
        raise RuntimeError(f"a worker ended: {next((str(each) for each in ended if each), 'without a reason')}")

    async def _run_worker(self, queue: str, count: int) -> None:
        await self._app.run_worker_async(
            queues=[queue],
            name=queue,
            concurrency=count,
            fetch_job_polling_interval=POLL_EVERY,
            delete_jobs="always",
            install_signal_handlers=False,
            shutdown_graceful_timeout=ENDS_WITHIN,
            update_heartbeat_interval=BEAT_EVERY,
            stalled_worker_timeout=STALLED_AFTER,
        )

    async def _work(self, context: procrastinate.JobContext, id: str) -> None:
        queue = context.job.queue
        try:
            again = await self._benches[queue].attend(id)
        except asyncio.CancelledError:
            # This process ends; where the database takes no more of it either, the row is found lost.
            with contextlib.suppress(ProcrastinateException):
                await self._wake(queue, id, 0.0)
            raise
        if again is not None:
            await self._wake(queue, id, again)

    async def _wake(self, queue: str, id: str, after: float) -> None:
        at = datetime.fromtimestamp(self._clock.wall() + after, UTC) if after else None
        await self._app.configure_task(TASK, queue=queue, lock=lock_of(queue, id), schedule_at=at).defer_async(id=id)

    async def _look_on(self) -> None:
        """Look after the rows of this process, until cancelled, or the database does not answer."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            rows = await self._app.connector.execute_query_all_async(_DOING)
            for queue, bench in self._benches.items():
                doing = [row["id"] for row in rows if row["queue_name"] == queue]
                try:
                    await bench.look([bench.work.kind.id_of(id) for id in doing])
                except Problem as problem:
                    event(logger, logging.WARNING, "queue_waits", queue=queue, code=problem.code)
            self._answered_at = time.monotonic()

    async def rescue(self, timestamp: int = 0) -> None:
        """Give the rows of workers that died to others."""
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER):
            event(logger, logging.WARNING, "job_rescued", queue=job.queue, id=str(job.task_kwargs.get("id")))
            await manager.retry_job(job, retry_at=datetime.fromtimestamp(self._clock.wall(), UTC))

    async def reconcile(self, timestamp: int = 0) -> None:
        """Wake somebody for rows that nobody was woken for."""
        for queue, bench in self._benches.items():
            rows = await bench.work.kind.due(self._clock.wall() - LOST_AFTER, NOTHING, limit=1000)
            for id in await self._unknown(queue, [str(row.id) for row in rows]):
                event(logger, logging.WARNING, "job_lost", queue=queue, id=id)
                await self._wake(queue, id, 0.0)

    async def _unknown(self, queue: str, ids: list[str]) -> Collection[str]:
        known = await self._app.connector.execute_query_all_async(_KNOWN, queue=queue, ids=ids)
        there = {row["id"] for row in known}
        return [id for id in ids if id not in there]
