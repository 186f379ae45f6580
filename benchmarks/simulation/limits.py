"""Which load of what the counts of a simulation are, by the costs that were measured; pure."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.simulation.model import BLOCK, Counts, Node

COSTS: Final = Path(__file__).with_name("costs.toml")
GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Costs:
    """The values of `costs.toml`, which says the unit of each."""

    pulled: float
    from_disk: float
    from_bucket: float
    put: float
    file: float
    create: float
    store_create: float
    store_first: float
    store_again: float
    store_gib: float
    store_idle: float
    store_limit: float
    network_limit: float
    cores: float
    gets_limit: float
    puts_limit: float
    origins_limit: float
    file_size: float

    @classmethod
    def read(cls, path: Path = COSTS) -> Self:
        """Return the costs of a file. Raises ValueError where one is missing, unknown, or without unit and source."""
        given: dict[str, dict[str, Any]] = tomllib.loads(path.read_text())
        names = {each.name for each in fields(cls)}
        if given.keys() != names:
            raise ValueError(f"{path}: missing or unknown: {', '.join(sorted(given.keys() ^ names))}")
        for name, cost in given.items():
            if cost.keys() != {"value", "unit", "by"} or not isinstance(cost["value"], int | float):
                raise ValueError(f"{path}: {name} needs a value, a unit and by what it is known")
        return cls(**{name: float(cost["value"]) for name, cost in given.items()})


@dataclass(frozen=True, slots=True)
class Loads:
    """What was used of what there is: 1.0 is all of it. Of gateways the busiest."""

    network: float
    processor: float
    store: float
    bucket: float
    origins: float

    def by_size(self) -> list[tuple[str, float]]:
        """Return the loads, the largest first: when all grow alike, that is the order in which they reach 1.0."""
        named = [(each.name, float(getattr(self, each.name))) for each in fields(self)]
        return sorted(named, key=lambda load: -load[1])


def gib(blocks: int) -> float:
    """Return the GiB of so many blocks."""
    return blocks * BLOCK / GIB


def gbits(blocks: int, seconds: float) -> float:
    """Return the Gbit/s of so many blocks in so many seconds."""
    return blocks * BLOCK * 8 / 1e9 / seconds if seconds else 0.0


def core_seconds(node: Node, costs: Costs) -> float:
    """Return the processor time of one gateway, without its creates."""
    pulled = node.pulled + node.ahead
    files = pulled * BLOCK / costs.file_size
    return (
        gib(pulled) * costs.pulled
        + files * costs.file
        + gib(node.disk) * costs.from_disk
        + gib(node.bucket) * costs.from_bucket
        + gib(node.put) * costs.put
    )


def transactions(counts: Counts, costs: Costs) -> float:
    """Return the transactions of the store that all gateways made together."""
    first = counts.total("first")
    asked = (
        counts.creates * costs.store_create
        + first * costs.store_first
        + (counts.total("opened") - first) * costs.store_again
        + gib(counts.total("pulled")) * costs.store_gib
    )
    return asked + costs.store_idle * len(counts.nodes) * (counts.ended - counts.began)


def loads(counts: Counts, costs: Costs) -> Loads:
    """Return how much was used of each thing that can be the limit."""
    seconds = counts.ended - counts.began
    if not seconds:
        return Loads(0.0, 0.0, 0.0, 0.0, 0.0)
    network, processor = 0.0, 0.0
    creates = counts.creates / len(counts.nodes) * costs.create  # these name no archive yet, and are spread
    for node in counts.nodes:
        way = max(node.sent + node.put, node.pulled + node.ahead + node.bucket)
        network = max(network, gbits(way, seconds) / costs.network_limit)
        processor = max(processor, (core_seconds(node, costs) + creates) / seconds / costs.cores)
    bucket = max(counts.total("bucket") / costs.gets_limit, counts.total("puts") / costs.puts_limit) / seconds
    return Loads(
        network,
        processor,
        transactions(counts, costs) / seconds / costs.store_limit,
        bucket,
        gbits(counts.total("pulled") + counts.total("ahead"), seconds) / costs.origins_limit,
    )
