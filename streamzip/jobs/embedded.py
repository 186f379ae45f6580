"""Queued work done by one process of the data folder, which looks into the tables: no server, and nothing to set up."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from streamzip.clock import Clock
from streamzip.files.locks import LockFile
from streamzip.jobs.kinds import Counts
from streamzip.jobs.port import Works
from streamzip.jobs.queue import Post, Queue


class Embedded:
    """See Dispatcher. `lock`: the file whose bytes say which process does which work; `look_every`: seconds between two
    looks for what other processes queued.
    """

    def __init__(self, works: Works, clock: Clock, lock: Path, look_every: float) -> None:
        self._queues = {
            work.kind.name: Queue(
                work.kind,
                Post(LockFile(lock), work.turn, work.changed, look_every),
                clock,
                at_once=work.at_once,
                limit=work.limit,
            )
            for work in works
        }

    async def run(self) -> None:
        """See Dispatcher."""
        await asyncio.gather(*(queue.run() for queue in self._queues.values()))

    def counts(self) -> Mapping[str, Counts]:
        """See Dispatcher."""
        return {name: queue.counts() for name, queue in self._queues.items()}
