"""Parts fetched ahead of a reader: what one reader wants is the part it stands at and those after it, to hide the
origins' latency.
"""

from collections import deque
from dataclasses import dataclass

from streamzip.assembly.ledger import Ledger
from streamzip.assembly.wants import Wants
from streamzip.spans import Data
from streamzip.spool.port import Flow
from streamzip.zip.layout import UNKNOWN, Trait


@dataclass(frozen=True, slots=True)
class Reach:
    """How far ahead of a reader parts are pulled: whichever bound is met first."""

    parts: int = 128
    size: int = 48 << 20  # bytes


class Lookahead:
    """A reader's place: the part it stands at, and the window of parts that it wants; none of them after `last`, which
    the reader may set.
    """

    def __init__(self, ledger: Ledger, wants: Wants, flow: Flow, reach: Reach) -> None:
        self.last: int | None = None
        self._ledger = ledger
        self._wants = wants
        self._flow = flow
        self._most = reach
        self._window: deque[tuple[int, int]] = deque()  # (part, bytes), ascending
        self._size = 0
        self._next = 0
        self._at: int | None = None

    async def wait(self, part: int, beyond: int) -> Data:
        """Stand at the part until more than `beyond` of its bytes may be read. Raises what ended its pull.

        Where the next bytes landed just now, they are given back; else nothing.
        """
        self.move(part)
        return (await self._wants.wait(part, beyond)).data

    def move(self, part: int) -> None:
        """Want this part and those after it; give up those before it."""
        window, extents, wants = self._window, self._ledger.extents, self._wants
        if self._at is not None and part < self._at:
            self.close()
        while window and window[0][0] < part:
            self._drop()
        if not window:
            self._next = part
        self._at = part
        parts, reach, done = self._most.parts, self._reach, extents.done
        if window and window[0][0] > part and not done[part]:
            # It was there when the window passed over it, and was found damaged since.
            size = max(extents.lengths[part], 0)
            window.appendleft((part, size))
            self._size += size
            wants.want(part)
        while len(window) < parts and (self._size < reach or not window):
            wanted = done.find(0, self._next)
            if wanted < 0 or (self.last is not None and wanted > max(self.last, part)):
                return
            size = max(extents.lengths[wanted], 0) if extents.lengths[wanted] != UNKNOWN else 1 << 20
            if wanted != part and not self._may_run_ahead(part, wanted):
                return
            window.append((wanted, size))
            self._size += size
            self._next = wanted + 1
            wants.want(wanted)

    def _may_run_ahead(self, at: int, part: int) -> bool:
        """What lies far ahead, behind parts that are there, is left to those who get there first. A large member of
        unknown place would hold an idle connection while it waits for its turn: of those only small ones run ahead.
        """
        offsets = self._ledger.offsets
        member = offsets.member_of(part)
        if member > offsets.placed:
            return bool(offsets.traits[member] & Trait.HELD)
        ahead = offsets.part_start(member, part) - offsets.part_start(offsets.member_of(at), at)
        return ahead < self._reach

    @property
    def _reach(self) -> int:
        """Bytes ahead of the reader that are pulled."""
        return min(self._most.size, self._flow.ahead)

    def _drop(self) -> None:
        part, size = self._window.popleft()
        self._size -= size
        self._wants.unwant(part)

    def close(self) -> None:
        """The reader leaves: want nothing more."""
        while self._window:
            self._drop()
        self._at = None
