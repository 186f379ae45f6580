"""One reader's way through an archive: from the shared copy, or where there is none (any more) through memory."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from streamzip.archive.opened import Lease
from streamzip.assembly.archive import DISK_FULL
from streamzip.errors import NotReady, Problem
from streamzip.logs import event
from streamzip.spans import Data

logger = logging.getLogger(__name__)

MOST_BEFORE_FIRST_BYTE = 64 << 20  # bytes that a range may have pulled before its own first byte is known


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an archive's body.

    `length` is None while an open archive grows; `etag` too, and where no two answers can be proven to have the same
    bytes.
    """

    filename: str
    length: int | None
    etag: str | None
    last_modified: int  # epoch seconds
    finished: bool  # a sealed copy lies on disk
    lapses: bool  # it ends for want of readers, unless this is one


class Download:
    """One reader's hold on an open archive."""

    def __init__(
        self,
        facts: Facts,
        lease: Lease,
        *,
        on_release: Callable[[], Awaitable[None]],
        on_failure: Callable[[Problem], Awaitable[None]],
        on_full: Callable[[], None],
    ) -> None:
        self._on_full = on_full
        self.facts = facts
        self._lease = lease
        self._on_release = on_release
        self._on_failure = on_failure

    def check_start(self, start: int) -> None:
        """Whether archive bytes from `start` on can begin soon. Raises NotReady, and nothing is pulled.

        A descriptor needs all of its member's bytes, the directory those of all members: a request for its one last
        byte must not pull 100 GiB.
        """
        if self._lease.shared.ledger.missing_before(start) > MOST_BEFORE_FIRST_BYTE:
            raise NotReady(
                "this range holds checksums of files that have not been pulled yet; begin with an earlier one, "
                "or have the archive prefetched",
                retry_after=10,
            )

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[Data, None]:
        """Archive bytes `[start, stop)`. Raises Problem where the origins do not give what is needed, OSError from the
        disk.
        """
        position = start
        try:
            with self._lease.pulling():
                async with contextlib.aclosing(self._runs(start, stop)) as runs:
                    async for run in runs:
                        if position == start:
                            await self._on_release()
                        position += len(run)
                        yield run
        except Problem as problem:
            await self._on_failure(problem)
            raise

    async def _runs(self, start: int, stop: int | None) -> AsyncGenerator[Data, None]:
        position = start
        if self._lease.kept:
            try:
                async with contextlib.aclosing(self._lease.shared.read(start, stop)) as runs:
                    async for run in runs:
                        position += len(run)
                        yield run
                return
            except OSError as error:
                if error.errno not in DISK_FULL:
                    raise
                name = self._lease.shared.archive.spool.name
                event(logger, logging.WARNING, "disk_full", archive=name, error=error.strerror)
                self._on_full()
        # No copy is kept, or the disk took no more of it: the rest goes through memory, and only this reader's way.
        async with self._lease.alone(position) as alone, contextlib.aclosing(alone.read(position, stop)) as runs:
            async for run in runs:
                yield run
