"""How much a reader is handed at once."""

from collections.abc import Iterator
from contextlib import contextmanager

SMALLEST = 256 << 10  # bytes; of what was pulled just now, this much is still in the processor's cache
LARGEST = 2 << 20


class ReadSize:
    """The size of the runs of finished copies. `total`: bytes that all readers' runs together may have, about.

    Each run costs a read, a send and a wake-up of its client, whatever its size: runs of 2 MiB take three quarters of
    the processor time of those of 256 KiB. But a client that stops taking keeps its run in memory, so that with many
    readers they become smaller.
    """

    def __init__(self, total: int = 16 << 20) -> None:
        self._total = total
        self._readers = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Count one more reader, for as long as the context lasts."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1

    @property
    def size(self) -> int:
        """Return how many bytes the next run has."""
        return max(SMALLEST, min(LARGEST, self._total // max(1, self._readers)))
