"""What connections are read into: one buffer for all of them, given away only when a read has filled most of it.

A large body is read in few, large pieces that are copied nowhere: the piece that a pull writes, sums up and sends is
the memory that the kernel wrote to. What is small is copied out, so that 20 KiB do not keep a megabyte.
"""

import sys
from collections import deque
from typing import Final

from streamzip.spans import Data

SIZE: Final = 1 << 20
MUCH: Final = SIZE * 3 // 4  # bytes of a read that make it worth the buffer: what is held takes a third more, at most
SPARE: Final = 16  # given buffers that are looked at again, to be used once more


class Buffers:
    """The buffers of one event loop: between `current` and `taken` nothing else runs in it."""

    def __init__(self) -> None:
        self._buffer = bytearray(SIZE)
        # A view: asyncio reads a second record of TLS into a slice, and that of a bytearray would be a copy.
        self.current = memoryview(self._buffer)
        self._given: deque[bytearray] = deque(maxlen=SPARE)

    def taken(self, count: int) -> Data:
        """The `count` bytes that were read into `current`; nobody writes there as long as they are held."""
        view = self.current[:count]
        if count < MUCH:
            return bytes(view)
        self._given.append(self._buffer)
        self._buffer = self._free() or bytearray(SIZE)
        self.current = memoryview(self._buffer)
        return view

    def _free(self) -> bytearray | None:
        """A given buffer that nobody holds any more: Python tells no other way who still reads from one."""
        for _ in range(len(self._given)):
            buffer = self._given.popleft()
            if sys.getrefcount(buffer) == 2:  # this name's, and the call's
                return buffer
            self._given.append(buffer)
        return None
