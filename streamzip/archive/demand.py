"""What one reader wants: the part that it stands at, and a window of those after it, to hide the origins' latency."""

from collections import deque

from streamzip.archive.filling import Filling
from streamzip.spans import Data
from streamzip.zip.layout import UNKNOWN, Trait


class Demand:
    """A reader's place: the part it stands at, and the window of parts that it wants; none of them after `last`, which
    the reader may set.
    """

    def __init__(self, filling: Filling) -> None:
        self.last: int | None = None
        self._filling = filling
        self._window: deque[tuple[int, int]] = deque()  # (part, bytes), ascending
        self._size = 0
        self._next = 0
        self._at: int | None = None

    async def wait(self, part: int, beyond: int) -> Data:
        """Stand at the part until more than `beyond` of its bytes may be read. Raises what ended its pull.

        Where the next bytes landed just now, they are given back; else nothing.
        """
        self.move(part)
        filling = self._filling
        filling.stand(part, 1)
        try:
            return (await filling.grown(part, beyond)).data
        finally:
            filling.stand(part, -1)

    def move(self, part: int) -> None:
        """Want this part and those after it; give up those before it."""
        window, filling = self._window, self._filling
        if self._at is not None and part < self._at:
            self.close()
        while window and window[0][0] < part:
            self._drop()
        if not window:
            self._next = part
        self._at = part
        parts, reach, done = filling.works.window.parts, self._reach, filling.extents.done
        if window and window[0][0] > part and not done[part]:
            # It was there when the window passed over it, and was found damaged since.
            size = max(filling.extents.lengths[part], 0)
            window.appendleft((part, size))
            self._size += size
            filling.want(part)
        while len(window) < parts and (self._size < reach or not window):
            wanted = done.find(0, self._next)
            if wanted < 0 or (self.last is not None and wanted > max(self.last, part)):
                return
            size = max(filling.extents.lengths[wanted], 0) if filling.extents.lengths[wanted] != UNKNOWN else 1 << 20
            if wanted != part and not self._may_run_ahead(part, wanted):
                return
            window.append((wanted, size))
            self._size += size
            self._next = wanted + 1
            filling.want(wanted)

    def _may_run_ahead(self, at: int, part: int) -> bool:
        """What lies far ahead, behind parts that are there, is left to those who get there first. A large member of
        unknown place would hold an idle connection while it waits for its turn: of those only small ones run ahead.
        """
        places = self._filling.places
        member = places.member_of(part)
        if member > places.placed:
            return bool(places.traits[member] & Trait.HELD)
        ahead = places.part_start(member, part) - places.part_start(places.member_of(at), at)
        return ahead < self._reach

    @property
    def _reach(self) -> int:
        """Bytes ahead of the reader that are pulled."""
        return min(self._filling.works.window.size, self._filling.spool.ahead)

    def _drop(self) -> None:
        part, size = self._window.popleft()
        self._size -= size
        self._filling.unwant(part)

    def close(self) -> None:
        """The reader leaves: want nothing more."""
        while self._window:
            self._drop()
        self._at = None
