"""What connections are read into: one buffer for all of them, given away only when a read has filled most of it.

A large body is read in few, large pieces that are copied nowhere: the piece that a pull writes, sums up and sends is
the memory that the kernel wrote to. What is small is copied out, so that 20 KiB do not keep a megabyte. Each connection
may have a piece or two that wait for its reader: with many of them the pieces become smaller.
"""

import sys
from collections import deque
from typing import Final

from streamzip.spans import Data

SIZE: Final = 1 << 20
SMALLEST: Final = 32 << 10
MUCH: Final = SIZE * 3 // 4  # bytes of a read that make it worth the buffer: what is held takes a third more, at most
SPARE: Final = 16  # given buffers that are looked at again, to be used once more
TOTAL: Final = 32 << 20  # bytes that one read of each connection may have together, about


class Buffers:
    """The buffers of one event loop: between `current` and `taken` nothing else runs in it. `connections`: how many
    there are; whoever reads keeps count of itself.
    """

    def __init__(self) -> None:
        self.connections = 0
        self._buffer = bytearray()  # made for the first read: most ways out of a gateway are never gone
        self._given: deque[bytearray] = deque(maxlen=SPARE)

    @property
    def most(self) -> int:
        """Return how many bytes one read may have."""
        return max(SMALLEST, min(SIZE, TOTAL // max(1, self.connections)))

    @property
    def current(self) -> memoryview:
        """Return where the next read goes. A view: asyncio reads a second record of TLS into a slice of it, and that of
        a bytearray would be a copy.
        """
        if not self._buffer:
            self._buffer = bytearray(SIZE)
        return memoryview(self._buffer)[: self.most]

    def taken(self, count: int) -> Data:
        """Return the `count` bytes that were read into `current`; nobody writes there as long as they are held."""
        view = memoryview(self._buffer)[:count]
        if count < MUCH:
            return bytes(view)
        self._given.append(self._buffer)
        self._buffer = self._free() or bytearray(SIZE)
        return view

    def _free(self) -> bytearray | None:
        """Return a given buffer that nobody holds any more: Python tells no other way who still reads from one."""
        for _ in range(len(self._given)):
            buffer = self._given.popleft()
            if sys.getrefcount(buffer) == 2:  # this name's, and the call's
                return buffer
            self._given.append(buffer)
        return None
