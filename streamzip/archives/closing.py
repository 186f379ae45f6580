"""Closes copies that nobody reads any more, once all that was under way for their readers has ended.

A closed descriptor's number is the next file's: what a pull that is being ended lists would be written into that one.
"""

import asyncio
import logging

from streamzip.assembly.assembly import Assembly
from streamzip.logs import event
from streamzip.spool.file import FileSpool

logger = logging.getLogger(__name__)


class CopyCloser:
    """Closes copies, and knows those that are still to be."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self, assembly: Assembly, copy: FileSpool) -> None:
        """Close the copy, at once where nothing uses it."""
        if assembly.still:
            _close(copy)
            return
        task = asyncio.create_task(_close_when_still(assembly, copy))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ended(self) -> None:
        """Wait until all are closed."""
        await asyncio.gather(*self._tasks)


async def _close_when_still(assembly: Assembly, copy: FileSpool) -> None:
    await assembly.stop()
    _close(copy)


def _close(copy: FileSpool) -> None:
    try:
        copy.close()
    except OSError as error:
        event(logger, logging.WARNING, "journal_not_closed", archive=copy.name, error=error.strerror)
