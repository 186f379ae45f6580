"""Which parts are wanted, by how many readers, and the pulls under way for them.

A reader stands at a part and wants it and those after it (its lookahead). A part that somebody wants is pulled, once,
whoever wants it; a part that nobody wants any more gives its connection up.
"""

import asyncio
import logging
from functools import partial
from typing import Protocol

from streamzip.assembly.archive import Archive
from streamzip.assembly.failures import as_problem
from streamzip.assembly.signals import NOTHING, Chunk
from streamzip.errors import OriginError, Problem
from streamzip.files.durable import DISK_FULL
from streamzip.origins.lanes import Urgent
from streamzip.origins.pull import Tries

logger = logging.getLogger(__name__)


class Puller(Protocol):
    """Brings one part in."""

    async def pull(self, part: int, *, urgent: Urgent, tries: Tries) -> None:
        """Have the part in the spool. Raises OriginError, Stale, or OSError from the disk.

        `urgent` tells whether a reader waits for the part; `tries` are the attempts left at its member.
        """

    def hurry(self, part: int) -> None:
        """Note that a reader waits for the part now."""


class Wants:
    """What this process's readers want of one archive. `attempts`: failed ones at one member before it is given up."""

    def __init__(self, archive: Archive, puller: Puller, *, attempts: int) -> None:
        self._archive = archive
        self._ledger = archive.ledger
        self._extents = archive.ledger.extents
        self._signals = archive.signals
        self._puller = puller
        self._attempts = attempts
        self.disk_full = False  # the disk took no more of the copy
        self._wanted: dict[int, int] = {}
        self._standing: dict[int, int] = {}
        self._pulls: dict[int, asyncio.Task[None]] = {}
        self._failures: dict[int, Exception] = {}
        self._tries: dict[int, Tries] = {}
        self._stopping = False

    @property
    def pulling(self) -> int:
        """Return how many parts are being pulled."""
        return len(self._pulls)

    @property
    def any(self) -> bool:
        """Return whether anybody wants anything."""
        return bool(self._wanted)

    def want(self, part: int) -> None:
        """Count one more reader that wants the part; it makes its own attempt, whatever failed before."""
        self._wanted[part] = self._wanted.get(part, 0) + 1
        if not self._extents.done[part] and part not in self._pulls:
            if self._failures.pop(part, None) is not None:
                self._tries.pop(self._ledger.offsets.member_of(part), None)
            self._begin(part)

    def unwant(self, part: int) -> None:
        """Count one reader fewer; the last one's leaving ends the pull and frees its connection."""
        left = self._wanted[part] - 1
        if left:
            self._wanted[part] = left
            return
        del self._wanted[part]
        task = self._pulls.get(part)
        if task is not None:
            self._cancel(part, task)

    async def wait(self, part: int, beyond: int) -> Chunk:
        """Wait until more than `beyond` bytes of the part may be read, or all of it is there. Raises what ended its
        pull.

        The bytes from `beyond` on are returned, where they landed just now: they need not be read back.
        """
        archive, extents, landed = self._archive, self._extents, NOTHING
        self._stand(part, 1)
        try:
            archive.check_cut()
            while extents.filled[part] <= beyond and not extents.done[part]:
                failure = self._failures.get(part)
                if failure is not None:
                    raise as_problem(failure, part, archive.manifest, self._ledger.offsets)
                landed = await self._signals.part(part)
                archive.check_cut()
        finally:
            self._stand(part, -1)
        return landed if landed.start == beyond else NOTHING

    def _stand(self, part: int, step: int) -> None:
        count = self._standing.get(part, 0) + step
        if count:
            self._standing[part] = count
        else:
            del self._standing[part]
        if step > 0 and part in self._pulls:
            self._puller.hurry(part)

    # -- pulls -------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """End every pull, and wait until what they have is listed."""
        self._stopping = True
        pulls = list(self._pulls.items())
        for part, pull in pulls:
            self._cancel(part, pull)
        await asyncio.gather(*(pull for _, pull in pulls), return_exceptions=True)

    async def _pull(self, part: int) -> None:
        member = self._ledger.offsets.member_of(part)
        tries = self._tries.get(member)
        if tries is None:
            tries = self._tries[member] = Tries(self._attempts)
        try:
            await self._puller.pull(part, urgent=lambda: part in self._standing, tries=tries)
            self.disk_full = False
        except Exception as error:
            self.disk_full = self.disk_full or (isinstance(error, OSError) and error.errno in DISK_FULL)
            self._failures[part] = error
            if not isinstance(error, OriginError | Problem | OSError):
                logger.exception("a pull failed unexpectedly")
        finally:
            del self._pulls[part]
            # A reader may have come while this pull was being cancelled because the last one had left.
            if not self._extents.done[part] and part not in self._failures:
                self._start_again(part)
            self._signals.wake(part)

    def _start_again(self, part: int) -> None:
        """Pull a part that is wanted still, and is not there (any more)."""
        if self._stopping:
            return
        if part in self._wanted and part not in self._pulls and not self._extents.done[part]:
            self._begin(part)

    def _begin(self, part: int) -> None:
        self._pulls[part] = asyncio.get_running_loop().create_task(self._pull(part))

    def _cancel(self, part: int, task: "asyncio.Task[None]") -> None:
        task.cancel()
        task.add_done_callback(partial(self._forget_unbegun, part))

    def _forget_unbegun(self, part: int, task: "asyncio.Task[None]") -> None:
        """Clean up after a pull that was cancelled before its first step, and so did not: whoever wants its part later
        would wait for it for ever.
        """
        if self._pulls.get(part) is task:
            del self._pulls[part]
            self._start_again(part)
