"""Whether two series of times can be told apart: Welch's t over trimmed means (Yuen 1974), since a machine's pauses are
not what an attacker measures.
"""

import math
import statistics
from collections.abc import Sequence

KEPT = 0.8  # of each series, the shortest ones: what is longer is the machine's


def separation(first: Sequence[int], second: Sequence[int]) -> float:
    """Welch's |t|; beyond 3.3 the two are told apart with p < 0.001, where each has thousands."""
    (one, one_error), (other, other_error) = _trimmed(first), _trimmed(second)
    return abs(one - other) / math.sqrt(one_error + other_error)


def _trimmed(series: Sequence[int]) -> tuple[float, float]:
    """The trimmed mean and the square of its standard error, which follows from the winsorized variance."""
    ordered = sorted(series)
    kept = int(len(ordered) * KEPT)
    winsorized = ordered[:kept] + [ordered[kept - 1]] * (len(ordered) - kept)
    return statistics.mean(ordered[:kept]), statistics.variance(winsorized) / len(ordered) / KEPT**2
