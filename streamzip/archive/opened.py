"""The archives that are open in this process: each once, shared by whoever reads it, let go a little after the last one
left.
"""

import asyncio
import contextlib
import errno
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from streamzip.archive.compression import this_compressor
from streamzip.archive.filling import DISK_FULL, Filling, Works, part_lengths
from streamzip.archive.finishing import Finished, finish
from streamzip.archive.layout import UNKNOWN, Layout
from streamzip.archive.places import Places
from streamzip.archive.writing import write_part
from streamzip.errors import NotReady, Problem, Stale
from streamzip.logs import event
from streamzip.manifest.model import Manifest
from streamzip.spool.base import Spooling
from streamzip.spool.file import FileSpool
from streamzip.spool.locks import InUse
from streamzip.spool.memory import Memory, MemorySpool
from streamzip.spool.shelf import Shelf

logger = logging.getLogger(__name__)

TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})
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
    frozen: Frozen
    filling: Filling
    copy: FileSpool | None  # None: no copy of this archive is kept
    readers: int = 0
    alone: int = 0  # readers that pull into memory
    finishing: asyncio.Task[None] | None = None
    closing: asyncio.TimerHandle | None = None
    noted: bool = False  # that a full pass was made: a copy that is sealed may not have been noted before a `kill -9`
    gone: bool = False  # deleted: readers are cut, and nothing is finished


@dataclass(frozen=True, slots=True)
class Most:
    """How many archives may be open at once, and of how many of them files may be pulled."""

    opened: int
    pulled: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A hold on an open archive. `shared` is everybody's; where `kept` is false it only tells, and each reader pulls
    alone.
    """

    shared: Filling
    kept: bool
    alone: Callable[[int], contextlib.AbstractAsyncContextManager[Filling]]  # from this archive offset on
    pulling: Callable[[], contextlib.AbstractContextManager[None]]  # around what may pull; NotReady where too many do


class OpenArchives:
    """`on_finished(hash, finished)` is told once a full pass was made, and its copy, where one is kept, is durable."""

    def __init__(
        self,
        shelf: Shelf,
        works: Works,
        memory: Memory,
        on_finished: Callable[[str, Finished], Awaitable[None]],
        *,
        most: Most,
    ) -> None:
        self._shelf = shelf
        self._works = works
        self._memory = memory
        self._on_finished = on_finished
        self.on_opened: Callable[[], None] = lambda: None
        self._open: dict[str, _Open] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._claims: dict[str, int] = {}
        self._most = most
        self._pulling: Counter[str] = Counter()
        self._telling: set[asyncio.Task[None]] = set()

    def promised(self) -> int:
        """Bytes that the open copies are still to take, as far as their length is known."""
        unfinished = [opened.filling for opened in self._open.values() if opened.copy and not opened.copy.sealed]
        return sum(
            max(0, filling.places.length - filling.extents.present) for filling in unfinished if filling.places.complete
        )

    def let_go(self, hash: str | None = None) -> None:
        """Close the archive, or all of them, where nobody reads it, so that it can be evicted."""
        for name, opened in list(self._open.items()):
            if hash in (None, name) and not opened.readers and not opened.finishing:
                self._close(name, opened)

    def _claim(self, hash: str, size: int | None) -> bool:
        """Whether a copy of this size has room beside those that are read here, which cannot be evicted; if so, it is
        counted among them from now on.
        """
        if not self._shelf.takes(size):
            return False
        read = 0
        for other, claimed in list(self._claims.items()):
            opened = self._open.get(other)
            if other in self._opening or (opened is not None and (opened.readers or opened.finishing)):
                read += claimed
            elif opened is None:
                del self._claims[other]
        if read + (size or 0) > self._shelf.room() and not self._shelf.begun(hash):
            return False
        self._claims[hash] = size or 0
        return True

    def peek(self, hash: str) -> Filling | None:
        """The archive's state, where it is open here."""
        opened = self._open.get(hash)
        return None if opened is None else opened.filling

    def reading(self, hash: str) -> bool:
        """Whether somebody wants bytes of it, in this process."""
        opened = self._open.get(hash)
        return opened is not None and (opened.filling.wanted or opened.alone > 0)

    @contextlib.asynccontextmanager
    async def lease(self, hash: str, load: Callable[[], Awaitable[Frozen]]) -> AsyncIterator[Lease]:
        """The open archive, for as long as the context lasts; `load` is asked where it is not open yet."""
        opened = self._open.get(hash)
        if opened is not None and opened.copy is not None and opened.copy.removed:
            del self._open[hash]  # deleted by another process, and perhaps created anew
        begun = False
        while (opened := self._open.get(hash)) is None:
            begun = True
            if hash not in self._opening:
                self._check_room()
                self._opening[hash] = asyncio.create_task(self._open_now(hash, load))
            await asyncio.shield(self._opening[hash])
        opened.readers += 1
        if opened.closing is not None:
            opened.closing.cancel()
            opened.closing = None
        if begun:
            self.on_opened()
        self._finish_if_all_there(hash, opened)
        try:
            yield Lease(
                opened.filling,
                opened.copy is not None,
                partial(self._alone, hash, opened),
                partial(self._pull, hash, opened),
            )
        finally:
            opened.readers -= 1
            self._let_go(hash, opened)

    def _check_room(self) -> None:
        """Each open archive has files open, and those are counted."""
        if len(self._open) + len(self._opening) >= self._most.opened:
            self.let_go()
        if len(self._open) + len(self._opening) >= self._most.opened:
            raise _too_many()

    @contextlib.contextmanager
    def _pull(self, hash: str, opened: _Open) -> Iterator[None]:
        if opened.filling.spool.sealed:
            yield
            return
        if hash not in self._pulling and len(self._pulling) >= self._most.pulled:
            raise _too_many()
        self._pulling[hash] += 1
        try:
            yield
        finally:
            self._pulling[hash] -= 1
            if not self._pulling[hash]:
                del self._pulling[hash]

    async def _open_now(self, hash: str, load: Callable[[], Awaitable[Frozen]]) -> None:
        try:
            frozen = await load()
            # Files are opened, a journal is read, 100,000 places are counted: not while every other reader waits.
            places = await asyncio.to_thread(_places, frozen)
            size = places.length if places.complete else None
            try:
                kept = self._claim(hash, size)
                if not kept and self._shelf.takes(size):
                    await asyncio.to_thread(self._shelf.look)  # there may be room again
                    kept = self._claim(hash, size)
                if kept and size is not None and not self._shelf.fits(size):
                    # Before the first byte of it: the disk would be full, for the store too, until others had gone.
                    self.let_go()
                    now, wanted = self._works.clock.wall(), self.promised() + size
                    await asyncio.to_thread(self._shelf.make_room, now, wanted=wanted)
                self._open[hash] = await asyncio.to_thread(self._begin, frozen, places, size, kept=kept)
            except OSError as error:
                if error.errno in TOO_MANY_FILES:
                    raise _too_many() from error
                if error.errno not in DISK_FULL:
                    raise
                # Not even a journal can be begun: the archive is made without a copy.
                event(logger, logging.WARNING, "disk_full", archive=hash, error=error.strerror)
                self._open[hash] = await asyncio.to_thread(self._begin, frozen, places, size, kept=False)
        finally:
            del self._opening[hash]

    def _begin(self, frozen: Frozen, places: Places, size: int | None, *, kept: bool) -> _Open:
        if not kept:
            _refuse_other_compressor(frozen.layout, sealed=False)
            window = MemorySpool(frozen.hash, lengths=part_lengths(places), start=0, window=0)
            return _Open(frozen, self._filling(frozen, places, window, self._works), None)
        try:
            digest = frozen.layout.digest()
            copy = self._shelf.open(frozen.hash, lengths=part_lengths(places), size=size, layout=digest)
        except InUse as error:
            raise NotReady("the archive's copy is being removed; ask again", retry_after=1) from error
        try:
            _refuse_other_compressor(frozen.layout, sealed=copy.sealed)
            noted = copy.sealed and frozen.learned is not None
            opened = _Open(frozen, self._filling(frozen, places, copy, self._works), copy, noted=noted)
            _refuse_unprovable(opened.filling, copy)
        except BaseException:
            copy.close()
            raise
        opened.filling.on_all_there = partial(self._finish_if_all_there, frozen.hash, opened)
        return opened

    @staticmethod
    def _filling(frozen: Frozen, places: Places, spool: Spooling, works: Works) -> Filling:
        return Filling(
            manifest=frozen.manifest,
            layout=frozen.layout,
            places=places,
            spool=spool,
            works=works,
            write_part=write_part,
            bodies=frozen.bodies,
            released=frozen.released,
            rebuilt=frozen.learned is not None and isinstance(spool, FileSpool),
        )

    @contextlib.asynccontextmanager
    async def _alone(self, hash: str, opened: _Open, start: int) -> AsyncIterator[Filling]:
        """A filling of one reader's own, in memory, that begins at archive offset `start`; its CRCs are everybody's."""
        frozen, shared = opened.frozen, opened.filling
        # Passes over an exact layout learn the same places and CRCs; over an open one each has its own frontier.
        places = shared.places if shared.places.complete else _places(frozen)
        size = self._memory.take()
        spool = MemorySpool(hash, lengths=part_lengths(places), start=start, window=size, behind=opened.copy)
        bounds = replace(self._works, window=replace(self._works.window, size=size))
        filling = self._filling(frozen, places, spool, bounds)
        if opened.copy is None:
            _assume(filling, start)
        else:
            filling.go_on_from(shared)
        opened.alone += 1
        try:
            yield filling
        finally:
            opened.alone -= 1
            self._memory.give_back()
            if places.complete and places.crcs_known and frozen.learned is None:
                task = asyncio.create_task(self._tell(hash, Finished(places.length, places.learned())))
                self._telling.add(task)
                task.add_done_callback(self._telling.discard)

    async def _tell(self, hash: str, finished: Finished) -> None:
        try:
            await self._on_finished(hash, finished)
        except Problem as problem:  # the store's; the next full pass is noted
            event(logger, logging.WARNING, "completion_not_noted", archive=hash, code=problem.code)
            return
        opened = self._open.get(hash)
        if opened is not None and opened.copy is None:
            del self._open[hash]  # what was learned counts from the next opening on

    def _finish_if_all_there(self, hash: str, opened: _Open) -> None:
        filling = opened.filling
        if opened.copy is None or opened.finishing or opened.gone or opened.noted:
            return
        if filling.extents.missing == 0 and filling.places.complete:
            opened.finishing = asyncio.create_task(self._finish(hash, opened, opened.copy))

    async def _finish(self, hash: str, opened: _Open, copy: FileSpool) -> None:
        try:
            await self._on_finished(hash, await finish(opened.filling, copy))
            opened.noted = True
        except Exception:
            logger.exception("a copy could not be finished", extra={"fields": {"archive": hash}})
        finally:
            opened.finishing = None
            self._let_go(hash, opened)

    async def finished(self, hash: str) -> bool:
        """Wait until the copy that is being finished is durable; False where that failed."""
        opened = self._open.get(hash)
        if opened is not None and opened.finishing is not None:
            await asyncio.wait([opened.finishing])
        return opened is not None and opened.noted

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
            if opened.copy is not None:
                opened.copy.close()
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

    async def close(self) -> None:
        """End all: what is being finished is waited for."""
        finishing = [opened.finishing for opened in self._open.values() if opened.finishing is not None]
        finishing.extend(self._telling)
        if finishing:
            await asyncio.wait(finishing)
        # A pull that was ended lists what it has, and that must come before its journal is closed.
        await asyncio.gather(*(opened.filling.stop() for opened in self._open.values()))
        for hash, opened in list(self._open.items()):
            self._close(hash, opened)


def _too_many() -> NotReady:
    return NotReady("too many archives are being made at once; ask again", code="too_many_archives", retry_after=5)


def _places(frozen: Frozen) -> Places:
    places = Places(frozen.layout)
    if frozen.learned is not None:
        places.recall(frozen.learned)
    return places


def _assume(filling: Filling, start: int) -> None:
    """A reader that begins at `start` needs nothing before it of members whose CRC is known, and learns the others'
    CRCs.
    """
    places = filling.places
    if not places.complete:
        return
    for member in range(filling.layout.members):
        if places.offset(member) >= start:
            return
        if places.crcs[member] == UNKNOWN:
            continue
        if places.end(member) <= start:
            filling.settled[member] = 1
        filling.assumed.add(member)
        begins = places.bytes_start(member)
        for number in places.parts_of(member):
            if begins + places.part(number).start + filling.extents.lengths[number] <= start:
                filling.extents.assume(number)


def _refuse_other_compressor(layout: Layout, *, sealed: bool) -> None:
    """What another release of the compressor writes has other bytes; only a finished copy can still be served."""
    if layout.compressor and not sealed and layout.compressor != this_compressor():
        raise Stale("the archive was begun with another compressor; create it anew")


def _refuse_unprovable(filling: Filling, spool: FileSpool) -> None:
    """Bytes without a strong validator were given out, and what proved them is lost: nothing can tell whether new ones
    would match.
    """
    if not (spool.blank or spool.damaged or spool.rebooted):
        return
    for member in range(filling.layout.members):
        missing = any(not spool.extents.done[number] for number in filling.places.parts_of(member))
        if missing and not filling.replaceable(member):
            raise Stale("what was given out of this archive can no longer be proven; create it anew")
