"""A download that meets a full disk: on through memory, from where the copy ended."""

import contextlib
import errno
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streamzip.archives.download import Download
from streamzip.archives.events import RecordedEvents
from streamzip.archives.leases import Leases
from streamzip.archives.others import NoOtherNodes
from streamzip.archives.table import Lease
from streamzip.errors import AskedAnew, BuildFailed, Problem
from streamzip.store.rows import ArchiveRow
from tests.unit.store.builders import an_archive

Read = Callable[[int, int | None], AsyncGenerator[bytes, None]]


def opened(read: Read, *, provable: bool, rounds: int = 0) -> Any:
    """Stands in for an archive that is open: what a download asks of it."""
    layout = SimpleNamespace(frozen_at=0, container="zip", exact=True, provable=provable, rounds=rounds)
    ledger = SimpleNamespace(length=10, gave_out=lambda: None)
    archive = SimpleNamespace(layout=layout, ledger=ledger, spool=SimpleNamespace(sealed=False))
    return SimpleNamespace(archive=archive, read=read)


class Bench:
    """A copy that gives five bytes and then fails; memory gives what is asked for."""

    def __init__(self, failure: Exception, *, provable: bool = True, rounds: int = 0) -> None:
        self.failure = failure
        self.events = RecordedEvents()
        self.alone_from: list[int] = []
        self.failures: list[Problem] = []
        self.memory = opened(self._from_memory, provable=provable)
        shared = opened(self._from_copy, provable=provable, rounds=rounds)
        fields = {"shared": shared, "kept": True, "alone": self._alone, "pulling": contextlib.nullcontext}
        noting = Leases(cast(Any, None), cast(Any, None), self.events, NoOtherNodes())
        leases = cast(Leases, SimpleNamespace(failed=self._failed, released=noting.released))
        row, lease = an_archive(lapses=True), cast(Lease, SimpleNamespace(**fields))
        self.download = Download(row, lease, leases, self.events)

    @contextlib.asynccontextmanager
    async def _alone(self, start: int) -> AsyncIterator[Any]:
        self.alone_from.append(start)
        yield self.memory

    async def _from_copy(self, _start: int, _stop: int | None) -> AsyncGenerator[bytes, None]:
        yield b"01234"
        raise self.failure

    async def _from_memory(self, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        yield b"0123456789"[start:stop]

    async def _failed(self, _: ArchiveRow, problem: Problem) -> Problem:
        self.failures.append(problem)
        return problem

    async def body(self) -> bytes:
        return b"".join([bytes(run) async for run in self.download.read(0, 10)])


async def test_download_goes_on_through_memory_when_the_disk_is_full() -> None:
    """From where the copy ended; and that it did is told once, so that room may be made."""
    bench = Bench(OSError(errno.ENOSPC, "No space left on device"))
    assert await bench.body() == b"0123456789"
    assert bench.alone_from == [5]
    assert [told[0] for told in bench.events.told] == ["released", "disk_full"]


async def test_download_ends_when_the_disk_fails_otherwise() -> None:
    """A disk that cannot be read is no full one."""
    bench = Bench(OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OSError, match="Input/output error"):
        await bench.body()
    assert bench.alone_from == []


async def test_download_tells_what_ended_it() -> None:
    """Why the archive failed is noted; and before its first byte, that bytes are given out."""
    problem = BuildFailed("an origin is gone")
    bench = Bench(problem, provable=False)
    with pytest.raises(BuildFailed):
        await bench.body()
    assert bench.failures == [problem]
    assert [told[0] for told in bench.events.told] == ["released"]


async def test_download_gives_out_nothing_by_a_layout_that_is_void() -> None:
    """Another process has the origins asked anew: whoever opened the layout before that begins again."""
    with pytest.raises(AskedAnew):
        await Bench(OSError(errno.EIO, "not reached"), rounds=1).body()
