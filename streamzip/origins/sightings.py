"""When something was last seen of each origin, as all workers of a gateway know it: a small file that they map.

Monotonic time is one clock for all processes of a machine, and begins anew with each boot: a time that lies ahead is of
an earlier one, and counts for nothing. Origins share 4,096 places by their checksum. What is seen of one is believed of
all that share its place: so nothing may rest on it but patience, and whether parts are pulled side by side. Pure, but
for the file.
"""

import mmap
import struct
import zlib
from pathlib import Path
from typing import Final

from streamzip.files.private import private

_PLACES: Final = 4096
_TIME: Final = struct.Struct("d")


class Sightings:
    """The times, in seconds of the monotonic clock. `path`: of the file; None: for this process alone."""

    def __init__(self, path: Path | None = None) -> None:
        size = _PLACES * _TIME.size
        if path is None:
            self._map = mmap.mmap(-1, size)
            return
        with open(path, "a+b", opener=private) as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)

    @staticmethod
    def place(origin: str) -> int:
        """Return where the origin's time stands."""
        return zlib.crc32(origin.encode()) % _PLACES * _TIME.size

    def note(self, place: int, now: float) -> None:
        """Note that it was seen at `now`."""
        _TIME.pack_into(self._map, place, now)

    def lately(self, place: int, now: float, within: float) -> bool:
        """Return whether it was seen within so many seconds, by any of the processes."""
        noted: float = _TIME.unpack_from(self._map, place)[0]
        return noted > 0 and 0 <= now - noted <= within
