"""What is looked at and not counted: how late the event loop is, what the process has open, what is under way."""

import asyncio
import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from streamzip import metrics
from streamzip.archives.table import ArchiveTable
from streamzip.archives.watching import Watches
from streamzip.edge.clients import Door
from streamzip.jobs.port import Dispatcher
from streamzip.origins.gate import Gate
from streamzip.spool.memory import Memory
from streamzip.version import VERSION

EVERY: Final = 1.0  # seconds
_SELDOM: Final = 10  # times less often: what costs a look at each open file
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def _look_at_process() -> None:
    metrics.OPEN_FILES.set(len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - names alone
    metrics.MEMORY.set(int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE)


class Looked(Protocol):
    """What is looked at each second."""

    def look(self) -> None:
        """Set the gauges."""


@dataclass(frozen=True, slots=True)
class Clients:
    """Who is connected to this process."""

    door: Door
    watches: Watches

    def look(self) -> None:
        """See Looked."""
        metrics.WORKERS.set(1, "clients")
        metrics.CONNECTIONS.set(len(self.door.asking), "idle")
        metrics.CONNECTIONS.set(len(self.door.busy), "busy")
        metrics.CONNECTIONS_LIMIT.set(self.door.most)
        metrics.WATCHERS.set(self.watches.count)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What this process has to do with now, as its parts tell."""

    gate: Gate
    table: ArchiveTable
    memory: Memory
    dispatcher: Dispatcher

    def look(self) -> None:
        """See Looked."""
        metrics.ORIGINS_WAITED_FOR.set(len(self.gate.waiting()))
        opened, pulled = self.table.counts()
        metrics.ARCHIVES_OPEN.set(opened)
        metrics.PULLS.set(pulled)
        metrics.STREAM_MEMORY.set(self.memory.held)
        metrics.STREAM_MEMORY_LIMIT.set(self.memory.total)
        for queue, counts in self.dispatcher.counts().items():
            metrics.QUEUE_RUNNING.set(counts.running, queue)
            metrics.QUEUE_WAITING.replace({(queue, why): n for why, n in counts.waiting.items()}, queue)


async def sample(*looked: Looked) -> None:
    """Look at these every second, and at the process, until cancelled."""
    loop, turn, spent = asyncio.get_running_loop(), 0, 0.0
    metrics.STARTS.add()
    metrics.BUILD.set(1, VERSION)
    metrics.OPEN_FILES_LIMIT.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    while True:
        if turn % _SELDOM == 0:
            _look_at_process()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        metrics.CPU.add(amount=usage.ru_utime + usage.ru_stime - spent)
        spent = usage.ru_utime + usage.ru_stime
        for each in looked:
            each.look()
        turn += 1
        due = loop.time() + EVERY
        await asyncio.sleep(EVERY)
        metrics.LAG.observe(max(0.0, loop.time() - due))
