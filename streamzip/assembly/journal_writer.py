"""Lists in the journal what a pull writes of its part, while it runs: readers in other processes follow it there, and
`kill -9` takes back only what was not listed yet.
"""

import asyncio

from isal import isal_zlib

from streamzip.assembly.intake import Intake
from streamzip.spool.journal import Extent
from streamzip.zip.layout import PART_SIZE

# Every record is read again by each later opening: over a slow line they are not to become many.
LATE = 1.0  # seconds after which anything new is listed; a good deal of it sooner, where others follow
MUCH = 256 << 10


class JournalWriter:
    """Lists the bytes of one pull, from `start` of the part on; `crc`: of what lies before. `at_once`: each chunk is
    listed before it may be read. `list_after`: seconds that other processes wait for news.
    """

    def __init__(self, intake: Intake, part: int, *, start: int, crc: int, at_once: bool, list_after: float) -> None:
        self._intake = intake
        self._part = part
        self._list_after = list_after
        self._start = self._stop = start
        self._crc_before = self._crc = crc
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._listed_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, length: int, crc: int) -> None:
        """Record `length` more bytes, already written to the spool; `crc`: of the part up to their end.

        OSError where they are to be listed at once, and the disk is full.
        """
        self._stop += length
        self._crc = crc
        if self._at_once:
            self._list()
            self._intake.spool.flush()
            return
        self._intake.ledger.landed(self._part, length)
        if self._stop - self._start >= PART_SIZE:
            self._list()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._list_after, self._look)

    def close(self) -> None:
        """List what is left: the pull has ended, and what it brought stays."""
        if self._timer is not None:
            self._timer.cancel()
        self._list()

    def _look(self) -> None:
        if self._stop - self._start >= MUCH or self._loop.time() - self._listed_at >= LATE:
            self._timer = None
            self._list()
        else:
            self._timer = self._loop.call_later(self._list_after, self._look)

    def _list(self) -> None:
        if self._stop == self._start:
            return
        # A CRC-32 is linear: that of the end is that of the whole, less what the beginning makes of it.
        crc = isal_zlib.crc32_combine(self._crc_before, 0, self._stop - self._start) ^ self._crc
        self._intake.append(Extent(self._part, self._start, self._stop, crc))
        self._start, self._crc_before, self._listed_at = self._stop, self._crc, self._loop.time()
