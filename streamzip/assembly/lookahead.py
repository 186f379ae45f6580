"""Parts fetched ahead of a reader: what one reader wants is the part it stands at and those after it, to hide the
origins' latency.
"""

import asyncio
import time
from collections import deque

from streamzip.assembly.ledger import Ledger
from streamzip.assembly.reach import SIZE, Reach
from streamzip.assembly.wants import Wants
from streamzip.spans import Data
from streamzip.spool.port import Flow
from streamzip.zip.layout import UNKNOWN, Trait

_FAR = 1 << 62


class Lookahead:
    """A reader's place: the part it stands at, and the window of parts that it wants; none of them after `last`, which
    the reader may set.
    """

    def __init__(self, ledger: Ledger, wants: Wants, flow: Flow, reach: Reach) -> None:
        self.last: int | None = None
        self._ledger = ledger
        self._wants = wants
        self._flow = flow
        self._reach = reach
        self._window: deque[tuple[int, int]] = deque()  # (part, bytes), ascending
        self._size = 0
        self._next = 0
        self._at: int | None = None
        self._within = 0  # bytes of that part that lie behind
        self._turn = 0  # the archive offset from which on more is wanted
        self._alarm: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Note that a reader has come."""
        self._reach.begin()
        self._allow()

    async def wait(self, part: int, beyond: int) -> Data:
        """Stand at the part until more than `beyond` of its bytes may be read. Raises what ended its pull.

        Where the next bytes landed just now, they are given back; else nothing.
        """
        self._move(part, beyond)
        self._reach.wait(time.monotonic(), flowing=beyond > 0)
        if self._alarm is None:
            self._look_later()
        try:
            return (await self._wants.wait(part, beyond)).data
        finally:
            self._reach.came(time.monotonic())

    def passed(self, position: int, size: int) -> None:
        """Note that the reader was handed `size` bytes, up to this archive offset: the window moves along with what is
        read, and not only with what must be waited for. Where all of it had come, nothing would be pulled meanwhile.
        """
        parts = 0
        if position >= self._turn and self._ledger.extents.missing:
            before = self._at
            self._move_to(position)
            parts = 0 if before is None or self._at is None else max(0, self._at - before)
        self.took(size, parts)

    def took(self, size: int, parts: int) -> None:
        """Note that the reader is done with so many more bytes and parts."""
        if self._reach.took(size, parts, time.monotonic()):
            self._allow()
            self._refill()

    def _move_to(self, position: int) -> None:
        offsets = self._ledger.offsets
        if position >= offsets.offset(offsets.placed):
            return
        member = offsets.member_at(position)
        self._turn = offsets.end(member)
        if offsets.parts_of(member):
            part, within = self.part_at(member, position)
            if part < offsets.parts_of(member)[-1]:
                self._turn = offsets.bytes_start(member) + offsets.part(part + 1).start
            self._move(part, within)

    def part_at(self, member: int, position: int) -> tuple[int, int]:
        """Return the member's part that holds this archive offset, or is needed for what lies beside its bytes, and
        how far into it that is.
        """
        offsets = self._ledger.offsets
        within = max(0, position - offsets.bytes_start(member))
        part = offsets.part_at(member, within)
        last = offsets.parts_of(member)[-1]
        return (part.number, within - part.start) if part.number <= last else (last, within - offsets.part(last).start)

    def _move(self, part: int, within: int) -> None:
        """Want this part, `within` of whose bytes lie behind, and those after it; give up those before it."""
        window = self._window
        if self._at is not None and part < self._at:
            self._want_nothing()
        while window and window[0][0] < part:
            self._drop()
        if not window:
            self._next = part
        self._at, self._within = part, within
        if window and window[0][0] > part and not self._ledger.extents.done[part]:
            # It was there when the window passed over it, and was found damaged since.
            size = max(self._ledger.extents.lengths[part], 0)
            window.appendleft((part, size))
            self._size += size
            self._wants.want(part)
        self._refill()

    def _allow(self) -> None:
        """Bound by the reach what is held of parts that were begun by a wider one, or are longer than it; beside what
        the reader has in hand.
        """
        self._flow.allow_ahead(self._reach.size + SIZE)

    def _refill(self) -> None:
        """Want what has come into reach."""
        part = self._at
        if part is None:
            return
        window, extents = self._window, self._ledger.extents
        parts, size = self._reach.parts, min(self._reach.size, self._flow.ahead)
        here = self._here(part)
        while len(window) < parts:
            wanted = extents.done.find(0, self._next)
            if wanted < 0 or (self.last is not None and wanted > max(self.last, part)):
                return
            if wanted != part:
                missing = self._beyond(here, wanted) - size
                if missing >= 0:
                    self._turn = min(self._turn, here + missing + 1)
                    return
            length = extents.lengths[wanted]
            length = 1 << 20 if length == UNKNOWN else max(length, 0)
            window.append((wanted, length))
            self._size += length
            self._next = wanted + 1
            self._wants.want(wanted)

    def _beyond(self, here: int, part: int) -> int:
        """Return how many bytes ahead of the reader, who is at `here`, the part begins. What lies far ahead, behind
        parts that are there, is left to those who get there first. A large member of unknown place would hold an idle
        connection while it waits for its turn: of those only small ones run ahead.
        """
        offsets = self._ledger.offsets
        member = offsets.member_of(part)
        if member > offsets.placed:
            return self._size if offsets.traits[member] & Trait.HELD else _FAR
        return offsets.part_start(member, part) - here

    def _here(self, part: int) -> int:
        """Return the archive offset of the reader, who is in this part, give or take a member's header; 0 where that is
        not known yet.
        """
        offsets = self._ledger.offsets
        member = offsets.member_of(part)
        return offsets.part_start(member, part) + self._within if member <= offsets.placed else 0

    def _drop(self) -> None:
        part, size = self._window.popleft()
        self._size -= size
        self._wants.unwant(part)

    # -- while it waits ----------------------------------------------------------------------------------

    def _look_later(self) -> None:
        look_at = self._reach.look_at
        self._alarm = None
        if look_at is not None:
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, look_at - time.monotonic()), self._look)

    def _look(self) -> None:
        if self._reach.look(time.monotonic()):
            self._allow()
            self._refill()
        self._look_later()

    def close(self) -> None:
        """Want nothing more: the reader leaves."""
        self._want_nothing()
        self._reach.close()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _want_nothing(self) -> None:
        while self._window:
            self._drop()
        self._at = None
