"""What the pulls of all archives share."""

from concurrent.futures import Executor
from dataclasses import dataclass, field

from streamzip.assembly.kept import KeptLimit
from streamzip.clock import Clock
from streamzip.origins.lanes import Lanes
from streamzip.origins.pull import Bounds, Patience
from streamzip.origins.registry import Registry


@dataclass(frozen=True, slots=True)
class Pulling:
    """Where bytes come from, how patiently, and how many; `pool` compresses, and waits for disks."""

    registry: Registry
    lanes: Lanes
    clock: Clock
    pool: Executor
    patience: Patience = field(default_factory=Patience)
    bounds: Bounds = field(default_factory=Bounds)
    kept: KeptLimit = field(default_factory=KeptLimit)
    list_after: float = 0.1  # seconds that other processes wait for news of a pull under way
