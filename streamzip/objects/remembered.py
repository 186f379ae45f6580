"""Remembers what objects hold, as long as there is room: a reader need not ask the store for it again."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from streamzip.objects.content import Blocks

K = TypeVar("K", bound=Hashable)
B = TypeVar("B", bound=Blocks)

_REMEMBERED: Final = 16 << 20  # bytes of CRCs


class Remembered(Generic[K, B]):
    """Those that were used last."""

    def __init__(self) -> None:
        self._contents: OrderedDict[K, B] = OrderedDict()

    def get(self, key: K) -> B | None:
        """Return what is remembered under the key."""
        content = self._contents.get(key)
        if content is not None:
            self._contents.move_to_end(key)
        return content

    def put(self, key: K, content: B) -> None:
        """Remember it, and forget those that were not used for longest where that is too much."""
        self._contents[key] = content
        while len(self._contents) > 1 and sum(len(each.crcs) for each in self._contents.values()) > _REMEMBERED:
            self._contents.popitem(last=False)

    def forget(self, chosen: Callable[[K], bool]) -> None:
        """Forget what is remembered under the keys that are chosen."""
        for key in [key for key in self._contents if chosen(key)]:
            del self._contents[key]
