"""Lists in the journal what a pull writes of its part, while it runs: readers in other processes follow it there, and
`kill -9` takes back only what was not listed yet.
"""

import asyncio

from isal import isal_zlib

from streamzip.archive.filling import Filling
from streamzip.spool.extents import Extent
from streamzip.zip.layout import PART_SIZE

# Every record is read again by each later opening: over a slow line they are not to become many.
LATE = 1.0  # seconds after which anything new is listed; a good deal of it sooner, where others follow
MUCH = 256 << 10


class Listing:
    """The bytes of one pull, from `start` of the part on; `crc`: of what lies before. `at_once`: each chunk is listed
    before it may be read.
    """

    def __init__(self, filling: Filling, number: int, *, start: int, crc: int, at_once: bool = False) -> None:
        self._filling = filling
        self._number = number
        self._start = self._stop = start
        self._crc_before = self._crc = crc
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._listed_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, length: int, crc: int) -> None:
        """So many bytes more have been written to their place; `crc`: of the part up to their end, as its pull has it.

        OSError where they are to be listed at once, and the disk is full.
        """
        self._stop += length
        self._crc = crc
        if self._at_once:
            self._commit()
            self._filling.spool.flush()
            return
        self._filling.extents.grow(self._number, length)
        if self._stop - self._start >= PART_SIZE:
            self._list()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._filling.works.list_after, self._look)

    def close(self) -> None:
        """The pull has ended: what it brought stays."""
        if self._timer is not None:
            self._timer.cancel()
        self._list()

    def _look(self) -> None:
        if self._stop - self._start >= MUCH or self._loop.time() - self._listed_at >= LATE:
            self._timer = None
            self._list()
        else:
            self._timer = self._loop.call_later(self._filling.works.list_after, self._look)

    def _list(self) -> None:
        if self._stop > self._start:
            self._commit()
            self._filling.journalled()

    def _commit(self) -> None:
        # A CRC-32 is linear: that of the end is that of the whole, less what the beginning makes of it.
        crc = isal_zlib.crc32_combine(self._crc_before, 0, self._stop - self._start) ^ self._crc
        self._filling.spool.commit(Extent(self._number, self._start, self._stop, crc))
        self._start, self._crc_before, self._listed_at = self._stop, self._crc, self._loop.time()
