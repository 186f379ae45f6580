"""How far ahead the gateways of a run of tests fetch: `pytest --lookahead=1`, or `random`. What they give must not
depend on it.
"""

import os
import random
from pathlib import Path
from typing import Final

RANDOM: Final = "random"
_CHOSEN: Final = "LOOKAHEAD_TEST_PARTS"  # for all processes of one pytest run


def choose(parts: str) -> None:
    """Have every gateway fetch so many parts ahead, where its test does not say how many."""
    os.environ[_CHOSEN] = parts if parts == RANDOM else str(int(parts))


def for_gateway(data: Path) -> str | None:
    """Return how many parts a gateway with this data folder fetches ahead; None: as many as it does by itself."""
    chosen = os.environ.get(_CHOSEN)
    if chosen != RANDOM:
        return chosen
    return str(random.Random(data.name).choice((1, 2, 3, 5, 16, 33, 128)))
