"""What every workload needs: the folders, the scale, the rounds; and what one run of one contender gives."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.corpus import MIB, File
from benchmarks.processes import Process
from benchmarks.servers.gateways import Gateway


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. Seconds; bytes. `durable`: processor seconds until the copy was durable, where one is kept."""

    wall: float
    first_byte: float
    cpu: float
    size: int
    peak: int = 0
    durable: float | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """A name, and what makes one run of it."""

    name: str
    run: Callable[[], Sample]


@dataclass(slots=True)
class Result:
    """A workload's samples, by contender. `unit` says what `units` counts: processor time is given for one of them.
    `far`: what is waited for is the network.
    """

    title: str
    unit: str
    units: float
    samples: dict[str, list[Sample]]
    notes: list[str] = field(default_factory=list)
    far: bool = False

    @property
    def per_unit(self) -> str:
        """Return what processor time is given in."""
        return self.unit if self.unit.startswith("ms") else f"seconds per {self.unit}"

    def cpu(self, name: str) -> float:
        """Return the median of a contender's processor seconds."""
        return median(sample.cpu for sample in self.samples[name])

    def wall(self, name: str) -> float:
        """Return the median of the seconds that it took."""
        return median(sample.wall for sample in self.samples[name])


@dataclass(slots=True)
class Bench:
    """`root`: the origin's files, in memory; `data`: the disk that copies go to; `quick`: an eighth of the bytes.
    `against`: another checkout, where its gateway is to be measured too.
    """

    root: Path
    data: Path
    rounds: int
    quick: bool
    against: Path | None = None
    _folders: int = 0

    def scaled(self, number: int) -> int:
        """A size or a count, smaller where it is to be quick."""
        return number // 8 if self.quick else number

    def folder(self) -> Path:
        """A new empty folder on the disk."""
        self._folders += 1
        folder = self.data / f"{self._folders:03}"
        folder.mkdir(parents=True)
        return folder

    def interleaved(self, title: str, unit: str, units: float, contenders: Sequence[Contender]) -> Result:
        """All contenders in turn, round by round: whatever else the machine does meets them alike."""
        samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
        for _ in range(self.rounds):
            for contender in contenders:
                os.sync()  # what the last one left to be written is not the next one's load
                samples[contender.name].append(contender.run())
        return Result(title, unit, units, samples)


def running(stack: ExitStack, server: Process | Gateway) -> None:
    """Have it stopped with the workload."""
    stack.callback((server.process if isinstance(server, Gateway) else server).stop)


def gib(files: Sequence[File]) -> float:
    """Bytes of the files, in GiB."""
    return sum(file.size for file in files) / (1024 * MIB)


def wait_for(path: Path, within: float = 120.0) -> None:
    """Wait for a file to appear: the gateway itself is not asked, since an answer costs it something."""
    deadline = time.monotonic() + within
    while not path.exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{path.name} did not appear")
        time.sleep(0.01)
