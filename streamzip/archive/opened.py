"""The archives that are open in this process: each once, shared by whoever reads it, let go a little after the last one
left.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from streamzip.archive.filling import Filling, Works, part_lengths
from streamzip.archive.finishing import Finished, finish
from streamzip.archive.layout import UNKNOWN, Layout
from streamzip.archive.places import Places
from streamzip.archive.writing import write_part
from streamzip.errors import NotReady, Problem, Stale
from streamzip.logs import event
from streamzip.manifest.model import Manifest
from streamzip.spool.file import Spool
from streamzip.spool.shelf import InUse, Shelf

logger = logging.getLogger(__name__)

LINGER = 5.0  # seconds an archive stays open after its last reader: the next range request finds it so


@dataclass(frozen=True, slots=True)
class Frozen:
    """All that opening an archive takes: its verified manifest and layout, what earlier passes learned, what the probe
    kept.
    """

    hash: str
    manifest: Manifest
    layout: Layout
    learned: bytes | None
    released: bool
    bodies: dict[int, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class _Open:
    filling: Filling
    readers: int = 0
    finishing: asyncio.Task[None] | None = None
    closing: asyncio.TimerHandle | None = None
    gone: bool = False  # deleted: readers are cut, and nothing is finished


class OpenArchives:
    """`on_finished(hash, finished)` is told once a copy is durable."""

    def __init__(self, shelf: Shelf, works: Works, on_finished: Callable[[str, Finished], Awaitable[None]]) -> None:
        self._shelf = shelf
        self._works = works
        self._on_finished = on_finished
        self._open: dict[str, _Open] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}

    def peek(self, hash: str) -> Filling | None:
        """The archive's state, where it is open here."""
        opened = self._open.get(hash)
        return None if opened is None else opened.filling

    def reading(self, hash: str) -> bool:
        """Whether somebody wants bytes of it, in this process."""
        opened = self._open.get(hash)
        return opened is not None and opened.filling.wanted

    @contextlib.asynccontextmanager
    async def lease(self, hash: str, load: Callable[[], Awaitable[Frozen]]) -> AsyncIterator[Filling]:
        """The open archive, for as long as the context lasts; `load` is asked where it is not open yet."""
        while (opened := self._open.get(hash)) is None:
            if hash not in self._opening:
                self._opening[hash] = asyncio.create_task(self._open_now(hash, load))
            await asyncio.shield(self._opening[hash])
        opened.readers += 1
        if opened.closing is not None:
            opened.closing.cancel()
            opened.closing = None
        self._finish_if_all_there(hash, opened)
        try:
            yield opened.filling
        finally:
            opened.readers -= 1
            self._let_go(hash, opened)

    async def _open_now(self, hash: str, load: Callable[[], Awaitable[Frozen]]) -> None:
        try:
            self._open[hash] = self._begin(await load())
        finally:
            del self._opening[hash]

    def _begin(self, frozen: Frozen) -> _Open:
        places = Places(frozen.layout)
        if frozen.learned is not None:
            places.recall(frozen.learned)
        size = places.length if places.complete else None
        try:
            digest = frozen.layout.digest()
            spool = self._shelf.open(frozen.hash, lengths=part_lengths(places), size=size, layout=digest)
        except InUse as error:
            raise NotReady("the archive's copy is being removed; ask again", retry_after=1) from error
        try:
            _refuse_unprovable(frozen, places, spool)
            filling = Filling(
                manifest=frozen.manifest,
                layout=frozen.layout,
                places=places,
                spool=spool,
                works=self._works,
                write_part=write_part,
                bodies=frozen.bodies,
            )
        except BaseException:
            spool.close()
            raise
        opened = _Open(filling)
        filling.on_all_there = lambda: self._finish_if_all_there(frozen.hash, opened)
        return opened

    def _finish_if_all_there(self, hash: str, opened: _Open) -> None:
        filling = opened.filling
        if (
            filling.extents.missing
            or not filling.places.complete
            or filling.spool.sealed
            or opened.finishing
            or opened.gone
        ):
            return
        opened.finishing = asyncio.create_task(self._finish(hash, opened))

    async def _finish(self, hash: str, opened: _Open) -> None:
        try:
            await self._on_finished(hash, await finish(opened.filling))
        except Exception:
            logger.exception("a copy could not be finished", extra={"fields": {"archive": hash}})
        finally:
            opened.finishing = None
            self._let_go(hash, opened)

    async def finished(self, hash: str) -> None:
        """Wait until the copy that is being finished is durable, where one is."""
        opened = self._open.get(hash)
        if opened is not None and opened.finishing is not None:
            await asyncio.wait([opened.finishing])

    def _let_go(self, hash: str, opened: _Open) -> None:
        if opened.readers or opened.finishing:
            return
        if opened.gone:
            self._close(hash, opened)
            return
        if opened.closing is not None:
            opened.closing.cancel()
        opened.closing = asyncio.get_running_loop().call_later(LINGER, self._close, hash, opened)

    def _close(self, hash: str, opened: _Open) -> None:
        if opened.closing is not None:
            opened.closing.cancel()
        if self._open.get(hash) is opened:
            del self._open[hash]
        try:
            opened.filling.spool.close()
        except OSError as error:
            event(logger, logging.WARNING, "journal_not_closed", archive=hash, error=error.strerror)

    def cut(self, hash: str, problem: Problem) -> None:
        """End the archive's readers: it was deleted, or can never be continued."""
        opened = self._open.pop(hash, None)
        if opened is not None:
            opened.gone = True
            opened.filling.cut(problem)
            if opened.readers == 0 and opened.finishing is None:
                self._close(hash, opened)

    def let_go_now(self, hash: str) -> bool:
        """Close the archive where nobody reads it; False where somebody does."""
        opened = self._open.get(hash)
        if opened is None:
            return True
        if opened.readers or opened.finishing:
            return False
        self._close(hash, opened)
        return True

    async def close(self) -> None:
        """End all: what is being finished is waited for."""
        finishing = [opened.finishing for opened in self._open.values() if opened.finishing is not None]
        if finishing:
            await asyncio.wait(finishing)
        for hash, opened in list(self._open.items()):
            self._close(hash, opened)


def _refuse_unprovable(frozen: Frozen, places: Places, spool: Spool) -> None:
    """Bytes without a strong validator were given out, and what proved them is lost: nothing can tell whether new ones
    would match.
    """
    if not frozen.released or not (spool.blank or spool.damaged or spool.rebooted):
        return
    for member, validator in enumerate(frozen.layout.validators):
        weak = not validator.startswith("s") and places.crcs[member] == UNKNOWN
        if weak and any(not spool.extents.done[number] for number in places.parts_of(member)):
            raise Stale("what was given out of this archive can no longer be proven; create it anew")
