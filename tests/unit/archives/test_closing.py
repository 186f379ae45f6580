"""A copy is closed when nothing uses it any more: the number of a descriptor that is closed is the next file's."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from streamzip.archives.closing import CopyCloser
from streamzip.assembly.archive import Archive
from streamzip.assembly.assembly import Assembly
from streamzip.assembly.ledger import Ledger
from streamzip.assembly.reader import Reading
from streamzip.assembly.wants import Wants
from streamzip.manifest.model import Manifest
from streamzip.origins.lanes import Urgent
from streamzip.origins.pull import Tries
from streamzip.spool.file import FileSpool
from streamzip.spool.journal import Extent
from streamzip.spool.shelf import Shelf
from streamzip.zip.layout import Planned, freeze
from streamzip.zip.offsets import Offsets

LANDED = Extent(0, 0, 10, 0)


class Site:
    """An archive of one part over a copy on disk, opened as often as the test likes. Its pull ends when it is ended,
    and lists then what it has.
    """

    def __init__(self, folder: Path, pool: ThreadPoolExecutor) -> None:
        self._shelf = Shelf(folder, budget=1 << 30)
        self._pool = pool
        self.closing = CopyCloser()
        self.begun = asyncio.Event()

    def open(self) -> tuple[Assembly, FileSpool]:
        row = Planned(0, "file", None, 100, None, ranged=True, validator='s"v1"')
        ledger = Ledger(Offsets(freeze([row], frozen_at=0, compressor="")))
        copy = self._shelf.open("ab", size=ledger.length, layout=bytes(16))
        for record in copy.replay():
            ledger.apply(record, trusted=False)
        self._archive = Archive(
            manifest=cast(Manifest, None), ledger=ledger, spool=copy, pool=self._pool, on_all_there=lambda: None
        )
        return Assembly(self._archive, Wants(self._archive, self, attempts=1), cast(Reading, None)), copy

    async def pull(self, part: int, *, urgent: Urgent, tries: Tries) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self._archive.append(LANDED)

    def hurry(self, part: int) -> None:
        """It never comes."""

    async def close(self, assembly: Assembly, copy: FileSpool) -> None:
        """Have it closed, and see the loop through all that it has to do."""
        self.closing.close(assembly, copy)
        await self.closing.ended()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def test_what_a_pull_lists_as_its_last_reader_leaves_comes_into_the_copy_before_it_is_closed(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """A copy whose reader had just left was closed to make room, and the pull's last record met a closed journal."""
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    site = Site(tmp_path, pool)
    assembly, copy = site.open()
    assembly.wants.want(0)
    await site.begun.wait()
    assembly.wants.unwant(0)
    await site.close(assembly, copy)
    assert failures == []
    ledger = site.open()[0].ledger
    assert ledger.extents.present == LANDED.stop


async def test_copy_that_is_compared_is_closed_after_that(
    tmp_path: Path, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A comparison goes on in its thread when its reader has left; what it reads must still be the copy."""
    site, begun, let = Site(tmp_path, pool), asyncio.Event(), Event()
    assembly, copy = site.open()
    assembly.archive.append(LANDED)
    await site.close(assembly, copy)
    loop, compare = asyncio.get_running_loop(), FileSpool.disagrees

    def disagrees(self: FileSpool, extents: list[Extent], at: int) -> Extent | None:
        loop.call_soon_threadsafe(begun.set)
        assert let.wait(10)
        return compare(self, extents, at)  # OSError where it is closed

    monkeypatch.setattr(FileSpool, "disagrees", disagrees)
    assembly, copy = site.open()
    proof = asyncio.create_task(assembly.archive.prove(0))
    await begun.wait()
    proof.cancel()
    site.closing.close(assembly, copy)
    let.set()
    await site.closing.ended()
    assert assembly.ledger.extents.present == 0  # for what it has are zeros, whose CRC is another
