"""What was learned of many things lately: bounded in number and in time, and only in this process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values that were put in lately: the `most` newest, each for `seconds`. `clock`: monotonic seconds."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def put(self, key: K, value: V) -> None:
        """Remember it from now on."""
        self._kept[key] = self._clock(), value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def get(self, key: K) -> V | None:
        """Return the value; None where there is none, or none so young."""
        found = self._kept.get(key)
        if found is None:
            return None
        since, value = found
        if self._clock() - since > self._seconds:
            del self._kept[key]
            return None
        return value

    def forget(self, key: K) -> None:
        """Let it go."""
        self._kept.pop(key, None)
