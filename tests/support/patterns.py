"""Bodies of any size that nobody has to hold."""

import struct
from typing import Protocol


class Body(Protocol):
    """Bytes, or what looks like them."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice) -> bytes: ...


class Pattern:
    """`size` bytes that nobody has to hold; any two places of it differ."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        words = range(start // 8, -(-stop // 8))
        return struct.pack(f"<{len(words)}Q", *words)[start % 8 :][: stop - start]
