"""Small files that came with the question for their size, and are kept until they are written: not asked for twice."""

from collections.abc import Mapping
from typing import Final

IN_ALL: Final = 64 << 20  # bytes
OF_ONE: Final = 48 << 20  # bytes, of one archive


class KeptLimit:
    """Bounds the bytes that all archives of a process keep so. `total` in bytes."""

    def __init__(self, total: int = IN_ALL) -> None:
        self.total: int = total
        self.held: int = 0


class KeptBodies:
    """One archive's, by number. They take up room until they are taken, or nobody has the archive any more."""

    def __init__(self, limit: KeptLimit) -> None:
        self._limit = limit
        self._bodies: dict[int, bytes] = {}
        self.size: int = 0  # bytes

    def __del__(self) -> None:
        self._limit.held -= self.size

    @property
    def has_room(self) -> bool:
        """Return whether any more may be kept."""
        return self.size < OF_ONE and self._limit.held < self._limit.total

    def put(self, number: int, body: bytes) -> None:
        """Keep the body, where there is room for it."""
        if self.size + len(body) <= OF_ONE and self._limit.held + len(body) <= self._limit.total:
            self._bodies[number] = body
            self._count(len(body))

    def pop(self, number: int) -> bytes | None:
        """Take a body; None where there is none."""
        body = self._bodies.pop(number, None)
        if body is not None:
            self._count(-len(body))
        return body

    def renumbered(self, numbers: Mapping[int, int]) -> "KeptBodies":
        """Hand all of them on under other numbers; none is left here, and those without a number are let go of."""
        handed = KeptBodies(self._limit)
        handed._bodies = {numbers[number]: body for number, body in self._bodies.items() if number in numbers}
        handed._count(sum(map(len, handed._bodies.values())))
        self._bodies = {}
        self._count(-self.size)
        return handed

    def shared(self) -> "KeptBodies":
        """Return the same bodies for one more reader; they take up room once, here."""
        other = KeptBodies(KeptLimit())
        other._bodies = dict(self._bodies)
        other._count(self.size)
        return other

    def _count(self, size: int) -> None:
        self.size += size
        self._limit.held += size
