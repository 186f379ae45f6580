"""What one cache has of archives, block by block, and which it gives up first."""

from collections import OrderedDict
from collections.abc import Set


class Cache:
    """Of each archive a set of blocks, as the bits of a number; `room`: blocks in all.

    What nobody reads is given up, least recently read first: before all else archives that are in `elsewhere` too.
    """

    def __init__(self, room: int, elsewhere: Set[int] = frozenset()) -> None:
        self._room = room
        self._elsewhere = elsewhere
        self._held: OrderedDict[int, int] = OrderedDict()  # the least recently read first
        self._readers: dict[int, int] = {}
        self.used = 0

    def blocks(self, archive: int) -> int:
        """Return the blocks that it has of an archive."""
        return self._held.get(archive, 0)

    def begin(self, archive: int) -> None:
        """Note one reader more, until `end`: what is read stays."""
        self._readers[archive] = self._readers.get(archive, 0) + 1

    def end(self, archive: int, read: int) -> None:
        """Note one reader less, who read these blocks: they are here now, as far as there is room."""
        if self._readers[archive] == 1:
            del self._readers[archive]
        else:
            self._readers[archive] -= 1
        held = self.blocks(archive)
        if held | read:
            self._held[archive] = held | read
            self._held.move_to_end(archive)
        self.used += (read & ~held).bit_count()
        while self.used > self._room and (given_up := self._least()) is not None:
            self.used -= self._held.pop(given_up).bit_count()

    def _least(self) -> int | None:
        idle = None
        for archive in self._held:
            if archive not in self._readers:
                if archive in self._elsewhere:
                    return archive
                idle = archive if idle is None else idle
        return idle
