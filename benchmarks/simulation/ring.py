"""A consistent hash ring, as nginx's `hash … consistent`: 160 points for each gateway."""

from bisect import bisect
from collections.abc import Collection
from hashlib import blake2b
from typing import Final

POINTS: Final = 160  # ngx_http_upstream_hash_module, of a server of weight 1


def place(name: str) -> int:
    """Return where a name lies on the ring."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


class Ring:
    """The ring of so many gateways."""

    def __init__(self, nodes: int) -> None:
        points = sorted((place(f"node-{node}-{point}"), node) for node in range(nodes) for point in range(POINTS))
        self._places = [each for each, _ in points]
        self._nodes = [node for _, node in points]

    def owner(self, archive: int, away: Collection[int]) -> int | None:
        """Return the gateway of an archive: the first on the ring that is not away; None where all are."""
        at = bisect(self._places, place(f"archive-{archive}"))
        for step in range(len(self._nodes)):
            node = self._nodes[(at + step) % len(self._nodes)]
            if node not in away:
                return node
        return None
