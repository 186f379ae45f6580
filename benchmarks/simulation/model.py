"""The simulation: downloads of archives by a Zipf law, cut and resumed, from gateways that die. Pure and deterministic.

Bytes are counted in blocks. A reader's blocks are accounted for when it ends, is cut, or its gateway dies: what its
gateway had by then was read from the disk (level 1), else from the bucket (level 2) where the archive was there when
the reader began, else from the origins. So each block is pulled once for any number of readers at one gateway.

Left out: archives that expire, origins without strong validators, blocks read in part, and the wait for anything.
"""

from bisect import bisect
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import accumulate
from math import ceil, log
from random import Random
from typing import Final

from benchmarks.simulation.caches import Cache
from benchmarks.simulation.ring import Ring

BLOCK: Final = 8 << 20  # bytes: what is read of a bucket, and pulled of a large file, in one request
AHEAD: Final = 2  # blocks that a dying gateway had pulled and told nobody of, at most (16 MiB)
PUT: Final = 2  # blocks that are put into the bucket in one request
AROUND_PUTS: Final = 3  # a multipart upload is begun and ended, and both ends are read back in one request or two
PAUSE: Final = 1.0  # seconds until a client resumes
LONGEST: Final = 2048  # blocks
GOLDEN: Final = 0.6180339887498949  # its multiples, less their whole parts, are spread evenly


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated. Sizes are in blocks, times in seconds, rates per second; caches are each gateway's own."""

    nodes: int
    archives: int
    downloads: int
    rate: float  # new downloads
    seed: int = 1
    zipf: float = 0.9  # the exponent: how much more often the first archives are asked for
    once: float = 0.1  # the share of downloads that are of a new archive, which nobody asks for again
    mean_size: float = 32
    block_time: float = 0.4  # of one block at a client: 20 MiB/s
    cut: float = 0.2  # the share of reads that end early, and are resumed
    deaths: float = 0.0  # of all gateways together; what is on the disk is lost
    away: float = 120.0  # how long a dead one is
    level_1: int = 12_800  # 100 GiB
    bucket: bool = True
    offload_time: float = 0.04  # of one block: 200 MiB/s, one copy at a time
    affinity: bool = True
    regions: int = 0  # each with a CDN's cache before the gateways
    edge: int = 128_000  # blocks that it holds
    warm: int = 0  # downloads before the counting begins


@dataclass(slots=True)
class Node:
    """What one gateway did, in blocks; `opened`: reads; `first`: of them, those for which something was pulled."""

    disk: int = 0
    bucket: int = 0
    pulled: int = 0
    ahead: int = 0  # pulled, and lost with the gateway
    put: int = 0
    puts: int = 0  # requests
    opened: int = 0
    first: int = 0

    @property
    def sent(self) -> int:
        """Return the blocks that its clients got."""
        return self.disk + self.bucket + self.pulled


@dataclass(slots=True)
class Counts:
    """What happened. `delivered`: blocks that clients got; `edge`: of them, those that a CDN had."""

    nodes: list[Node]
    delivered: int = 0
    edge: int = 0
    creates: int = 0
    resumes: int = 0
    deaths: int = 0
    asked: int = 0  # downloads that began
    wanted: int = 0  # the blocks of all of them
    began: float = 0.0
    ended: float = 0.0

    def total(self, what: str) -> int:
        """Return the sum of a count over all gateways."""
        return sum(getattr(node, what) for node in self.nodes)


@dataclass(slots=True)
class _Read:
    """A client's read of `start` to `stop`, since `began`; `shared`: the archive was in the bucket then."""

    archive: int
    region: int
    node: int | None
    start: int
    stop: int
    began: float
    shared: bool


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A new download."""


@dataclass(frozen=True, slots=True)
class _Resume:
    archive: int
    region: int
    start: int


@dataclass(frozen=True, slots=True)
class _Death:
    pass


@dataclass(frozen=True, slots=True)
class _Return:
    node: int


@dataclass(frozen=True, slots=True)
class _Offloaded:
    archive: int
    node: int
    life: int


_Event = _Arrival | _Resume | _Death | _Return | _Offloaded | _Read


@dataclass(slots=True)
class _Gateway:
    cache: Cache
    reads: dict[int, _Read] = field(default_factory=dict)
    offloads_until: float = 0.0
    life: int = 0


def blocks_of(start: int, stop: int) -> int:
    """Return the set of these blocks."""
    return (1 << stop) - (1 << start)


def size_of(archive: int, mean: float) -> int:
    """Return an archive's size: exponential about the mean, spread evenly over those that are asked for most."""
    return min(LONGEST, max(1, round(-mean * log(1.0 - (archive + 1) * GOLDEN % 1.0))))


class Simulation:
    """One run of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._random = Random(scenario.seed)
        self._ring = Ring(scenario.nodes)
        self._weights = list(accumulate((rank + 1) ** -scenario.zipf for rank in range(scenario.archives)))
        self._shared: set[int] = set()  # archives in the bucket
        self._putting: set[int] = set()
        self._created: set[int] = set()
        self._away: set[int] = set()
        self._gateways = [_Gateway(self._cache()) for _ in range(scenario.nodes)]
        self._edges = [Cache(scenario.edge) for _ in range(scenario.regions)]
        self._events: list[tuple[float, int, _Event]] = []
        self._number = 0
        self._now = 0.0
        self._left = scenario.downloads
        self._reading = 0
        self._counts = self._fresh()

    def run(self) -> Counts:
        """Simulate until the last download ended, and return what happened."""
        if self._left:
            self._later(0.0, _Arrival())
        if self._scenario.deaths:
            self._later(self._random.expovariate(self._scenario.deaths), _Death())
        while self._left or self._reading:
            self._now, number, event = heappop(self._events)
            match event:
                case _Arrival():
                    self._arrive()
                case _Resume(archive, region, start):
                    self._counts.resumes += 1
                    self._begin(archive, region, start)
                case _Read(node=node):
                    if node is None or self._gateways[node].reads.pop(number, None) is not None:
                        self._end(event, event.stop)
                case _Death():
                    self._die()
                case _Return(node):
                    self._away.remove(node)
                case _Offloaded(archive, node, life):
                    self._offloaded(archive, node, life)
        self._counts.ended = self._now
        return self._counts

    def _later(self, delay: float, event: _Event) -> int:
        self._number += 1
        heappush(self._events, (self._now + delay, self._number, event))
        return self._number

    def _arrive(self) -> None:
        scenario, draw = self._scenario, self._random
        if scenario.downloads - self._left == scenario.warm:
            self._counts = self._fresh()
        self._left -= 1
        self._reading += 1
        self._counts.asked += 1
        if self._left:
            self._later(draw.expovariate(scenario.rate), _Arrival())
        if draw.random() < scenario.once:
            archive = scenario.archives + self._left  # beyond those that are asked for again
        else:
            archive = bisect(self._weights, draw.random() * self._weights[-1])
        if archive not in self._created:
            self._created.add(archive)
            self._counts.creates += 1
        self._counts.wanted += size_of(archive, scenario.mean_size)
        self._begin(archive, draw.randrange(scenario.regions) if scenario.regions else 0, 0)

    def _begin(self, archive: int, region: int, start: int) -> None:
        scenario, draw = self._scenario, self._random
        size = size_of(archive, scenario.mean_size)
        stop = size
        if draw.random() < scenario.cut and size - start > 1:
            stop = start + 1 + draw.randrange(size - start - 1)
        node = self._gateway_of(archive, region, blocks_of(start, stop))
        if node == _NOBODY:
            self._later(PAUSE, _Resume(archive, region, start))
            return
        read = _Read(archive, region, node, start, stop, self._now, archive in self._shared)
        number = self._later((stop - start) * scenario.block_time, read)
        if self._edges:
            self._edges[region].begin(archive)
        if node is not None:
            self._gateways[node].cache.begin(archive)
            self._gateways[node].reads[number] = read

    def _gateway_of(self, archive: int, region: int, wanted: int) -> int | None:
        """Return the gateway that is asked, None where the CDN has all of it, _NOBODY where no gateway is there."""
        if self._edges and not wanted & ~self._edges[region].blocks(archive):
            return None
        if self._scenario.affinity:
            owner = self._ring.owner(archive, self._away)
            return _NOBODY if owner is None else owner
        there = [node for node in range(self._scenario.nodes) if node not in self._away]
        return self._random.choice(there) if there else _NOBODY

    def _end(self, read: _Read, reached: int) -> None:
        """Account for what was read, and have the client come back for the rest."""
        wanted = blocks_of(read.start, reached)
        self._counts.delivered += wanted.bit_count()
        if self._edges:
            edge = self._edges[read.region]
            had = wanted & edge.blocks(read.archive)
            self._counts.edge += had.bit_count()
            edge.end(read.archive, wanted)
            wanted &= ~had
        if read.node is not None:
            self._give(read, read.node, wanted)
        if reached < size_of(read.archive, self._scenario.mean_size):
            self._later(PAUSE, _Resume(read.archive, read.region, reached))
        else:
            self._reading -= 1

    def _give(self, read: _Read, node: int, wanted: int) -> None:
        cache, counts = self._gateways[node].cache, self._counts.nodes[node]
        missing = wanted & ~cache.blocks(read.archive)
        counts.opened += 1
        counts.disk += (wanted & ~missing).bit_count()
        if read.shared:
            counts.bucket += missing.bit_count()
            cache.end(read.archive, 0)
            return
        counts.pulled += missing.bit_count()
        counts.first += missing > 0
        cache.end(read.archive, missing)
        whole = blocks_of(0, size_of(read.archive, self._scenario.mean_size))
        if self._scenario.bucket and cache.blocks(read.archive) == whole:
            self._offload(read.archive, node)

    def _offload(self, archive: int, node: int) -> None:
        if archive in self._shared or archive in self._putting:
            return
        gateway = self._gateways[node]
        self._putting.add(archive)
        took = size_of(archive, self._scenario.mean_size) * self._scenario.offload_time
        gateway.offloads_until = max(gateway.offloads_until, self._now) + took
        self._later(gateway.offloads_until - self._now, _Offloaded(archive, node, gateway.life))

    def _offloaded(self, archive: int, node: int, life: int) -> None:
        gateway, size = self._gateways[node], size_of(archive, self._scenario.mean_size)
        self._putting.discard(archive)
        if gateway.life == life and gateway.cache.blocks(archive) == blocks_of(0, size):
            self._shared.add(archive)
            self._counts.nodes[node].put += size
            self._counts.nodes[node].puts += ceil(size / PUT) + AROUND_PUTS

    def _die(self) -> None:
        """Take a gateway away with its disk; its clients resume elsewhere."""
        self._later(self._random.expovariate(self._scenario.deaths), _Death())
        there = [node for node in range(self._scenario.nodes) if node not in self._away]
        if not there:
            return
        node = self._random.choice(there)
        gateway = self._gateways[node]
        self._counts.deaths += 1
        ahead: dict[int, int] = {}
        for read in list(gateway.reads.values()):
            reached = read.start + int((self._now - read.began) / self._scenario.block_time)
            if not read.shared:
                ahead[read.archive] = max(ahead.get(read.archive, 0), min(AHEAD, read.stop - reached))
            self._end(read, reached)
        self._counts.nodes[node].ahead += sum(ahead.values())
        self._gateways[node] = _Gateway(self._cache(), life=gateway.life + 1)
        self._away.add(node)
        self._later(self._scenario.away, _Return(node))

    def _cache(self) -> Cache:
        return Cache(self._scenario.level_1, self._shared)

    def _fresh(self) -> Counts:
        return Counts([Node() for _ in range(self._scenario.nodes)], began=self._now, ended=self._now)


_NOBODY: Final = -1
