"""A download that meets a full disk: on through memory where its bytes can be proven, not at all where they cannot."""

import contextlib
import errno
from collections.abc import AsyncGenerator, AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streamzip.archive import downloading
from streamzip.archive.downloading import Download, Facts
from streamzip.archive.opened import Lease


class FullDisk:
    """Stands in for the reader: the copy gives five bytes, then the disk is full; memory gives what is asked for."""

    def __init__(self) -> None:
        self.copy = SimpleNamespace(spool=SimpleNamespace(name="a"))
        self.memory = SimpleNamespace()
        self.alone_from: list[int] = []
        self.told = 0

    @contextlib.asynccontextmanager
    async def alone(self, start: int) -> AsyncIterator[Any]:
        self.alone_from.append(start)
        yield self.memory

    async def read(self, filling: Any, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        assert stop == 10
        if filling is self.copy:
            yield b"01234"
            raise OSError(errno.ENOSPC, "No space left on device")
        yield b"0123456789"[start:stop]

    def download(self) -> Download:
        async def nothing(*_: object) -> None:
            pass

        fields = {"shared": self.copy, "kept": True, "alone": self.alone, "pulling": contextlib.nullcontext}
        lease = cast(Lease, SimpleNamespace(**fields))
        facts = Facts("a.zip", 10, '"1"', 0, finished=False, lapses=False)
        return Download(facts, lease, on_release=nothing, on_failure=nothing, on_full=self.tell)

    def tell(self) -> None:
        self.told += 1


async def test_download_goes_on_through_memory_when_the_disk_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """From where the copy ended; and that it did is told, so that room may be made."""
    disk = FullDisk()
    monkeypatch.setattr(downloading, "read", disk.read)
    assert b"".join([run async for run in disk.download().read(0, 10)]) == b"0123456789"
    assert disk.alone_from == [5]
    assert disk.told == 1
