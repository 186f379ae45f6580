"""No copy on disk (none wanted, none fits, or the disk is full): a window of archive bytes that moves along with one
reader. Where the disk took no more of a copy, what it has is read from there.

Bounded by where the reader is, whatever the archive's or its members' sizes: a pull that is a window's length ahead of
its reader waits, and so does its origin.
"""

import asyncio
import contextlib
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from streamzip.spans import Data
from streamzip.spool.journal import ArchiveRecord, Extent
from streamzip.spool.port import Bytes

_WORTH_A_SEND: Final = 64 << 10  # bytes
_JOINED: Final = 16  # runs, at most


class Memory:
    """How much all windows together may hold, and so how large each may be. Sizes in bytes.

    What a window took while there were few of them its reader may be slow to take: as long as all of the memory is
    held, each grows to the smallest size and no further, so that together they hold no more than that beyond it.
    """

    LARGEST: Final = 32 << 20
    SMALLEST: Final = 64 << 10

    def __init__(self, total: int) -> None:
        self.total = total
        self._windows = 0
        self.held: int = 0

    @property
    def share(self) -> int:
        """Return a window's size now."""
        if self.held >= self.total:
            return self.SMALLEST
        return max(self.SMALLEST, min(self.LARGEST, self.total // max(1, self._windows)))

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Count one more window, for as long as the context lasts."""
        self._windows += 1
        try:
            yield
        finally:
            self._windows -= 1

    def hold(self, count: int) -> None:
        """Count so many bytes more, or fewer, that a window holds."""
        self.held += count


class MemorySpool:
    """The window of one reader that begins at archive offset `start`, over its share of the memory; `close` it.

    `behind`: the copy that it goes on from, where there is one; what that has is read from it.
    """

    sealed = False
    removed = False

    def __init__(self, name: str, *, start: int, memory: Memory, behind: Bytes | None = None) -> None:
        self.name = name
        self._behind = behind
        self._memory = memory
        self._holds = 0  # bytes
        self._position = start
        self._allowed = memory.LARGEST
        self._runs: dict[int, Data] = {}
        self._starts: list[int] = []
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []  # for room at this offset

    def write(self, offset: int, data: Data) -> None:
        """Hold bytes that the reader has not passed; what lies before it was wanted for its CRC only."""
        if offset + len(data) > self._position and data:
            if offset not in self._runs:
                insort(self._starts, offset)
            self._hold(len(data) - len(self._runs.get(offset, b"")))
            self._runs[offset] = data

    def write_around(self, pieces: Iterable[tuple[int, Data]]) -> None:
        """Hold what stands around a member's bytes."""
        for offset, data in pieces:
            self.write(offset, data)

    def read_now(self, offset: int, length: int) -> Data | None:
        """Return what is held from `offset` on, up to the end of the run it lies in, or of some small ones; empty where
        nothing is held. None where the copy behind it has to be waited for.
        """
        run = self._held(offset, length)
        if run or self._behind is None:
            return run
        return self._behind.read_now(offset, self._gap(offset, length))

    def read(self, offset: int, length: int) -> Data:
        """Return the same, waiting for the copy's disk; memory is never waited for."""
        run = self._held(offset, length)
        return run if run or self._behind is None else self._behind.read(offset, self._gap(offset, length))

    def _held(self, offset: int, length: int) -> Data:
        found = bisect_right(self._starts, offset) - 1
        if found < 0:
            return b""
        start = self._starts[found]
        run = self._runs[start]
        if start != offset or len(run) > length:
            return run[offset - start : offset - start + length]
        return run if len(run) >= _WORTH_A_SEND else self._joined(found, length)

    def _joined(self, first: int, length: int) -> Data:
        """Small runs that follow on each other, as one: a send costs more than their copy."""
        runs: list[Data] = []
        size = 0
        for start in self._starts[first : first + _JOINED]:
            run = self._runs[start]
            if start != self._starts[first] + size or size + len(run) > length or (runs and len(run) >= _WORTH_A_SEND):
                break
            runs.append(run)
            size += len(run)
        return runs[0] if len(runs) == 1 else b"".join(runs)

    def _gap(self, offset: int, length: int) -> int:
        """Return how much of that the copy is asked for: from where the next run begins, its bytes are no longer its
        own.
        """
        following = bisect_right(self._starts, offset)
        return min(length, self._starts[following] - offset) if following < len(self._starts) else length

    async def room(self, offset: int) -> None:
        """Wait until the reader is less than a window's length behind."""
        while offset >= self._position + self.ahead:
            moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((offset, moved))
            await moved

    def allow_ahead(self, size: int) -> None:
        """Take no more than so many bytes ahead of the reader from now on."""
        grown, self._allowed = size > self._allowed, size
        if grown:
            self._let_in()

    def passed(self, offset: int) -> None:
        """Let go of what the reader has taken, and let waiting pulls go on."""
        self._position = max(self._position, offset)
        gone = 0
        for start in self._starts:
            if start + len(self._runs[start]) > offset:
                break
            self._hold(-len(self._runs.pop(start)))
            gone += 1
        if gone:
            del self._starts[:gone]
        if self._waiting:
            self._let_in()

    def _let_in(self) -> None:
        end, waiting, self._waiting = self._position + self.ahead, self._waiting, []
        for offset, moved in waiting:
            if offset >= end:
                self._waiting.append((offset, moved))
            elif not moved.done():
                moved.set_result(None)

    def _hold(self, count: int) -> None:
        self._holds += count
        self._memory.hold(count)

    def close(self) -> None:
        """Let go of everything, and take no more: the reader has left."""
        self._position = 1 << 63
        self._runs.clear()
        self._starts.clear()
        self._hold(-self._holds)

    @property
    def ahead(self) -> int:
        """Return the window's size now: what is held whole before it is written never asks for room."""
        return min(self._memory.share, self._allowed)

    def claim(self, part: int) -> bool:
        """Nobody else pulls into this process's memory."""
        return part >= 0

    def give_back(self, part: int) -> None:
        """Nobody else waits for it."""

    def disagrees(self, extents: Sequence[Extent], at: int) -> Extent | None:
        """Return the first extent, of those that the copy behind it has, whose bytes have another CRC."""
        return None if self._behind is None else self._behind.disagrees(extents, at)

    def unseal(self) -> None:
        """Do nothing: what is here is never taken for a finished copy."""

    def replay(self) -> Sequence[ArchiveRecord]:
        """Nobody was here before."""
        return ()

    def follow(self) -> Sequence[ArchiveRecord]:
        """Nobody else writes this."""
        return ()

    def add(self, record: ArchiveRecord) -> None:
        """Nobody else reads this."""

    def flush(self) -> None:
        """Nobody else reads this."""
