"""Half-open runs of bytes, as all of the code counts them; inclusive only on the wire (edge/ranges.py)."""

from typing import NamedTuple

# Bytes on their way: their own, or those of a buffer that is not written to while they are held.
Data = bytes | memoryview


class Span(NamedTuple):
    """The bytes `[start, stop)`, in bytes from the beginning of whatever they belong to."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        """Return how many bytes the span holds."""
        return self.stop - self.start
