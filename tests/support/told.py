"""What gateways logged, for the report of a test that failed: without it a cut download has no reason there."""

import json
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

LINES = 40  # of each gateway, the last ones


class Telling(Protocol):
    """A gateway, as far as its report goes."""

    data: Path

    @property
    def log(self) -> Sequence[Mapping[str, Any]]:
        """Every line that it logged so far."""
        ...


_heard: weakref.WeakSet[Telling] = weakref.WeakSet()


def hear(gateway: Telling) -> None:
    """Report what it logs, as long as a test holds it."""
    _heard.add(gateway)


def sections() -> Iterator[tuple[str, str]]:
    """Yield a heading and the last lines of the log, for each gateway that is held in this process."""
    for gateway in sorted(_heard, key=lambda gateway: str(gateway.data)):
        if lines := gateway.log[-LINES:]:
            yield f"log of {gateway.data.name}", "\n".join(map(json.dumps, lines))
