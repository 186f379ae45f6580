"""The archives that are open in this process: each once, shared by whoever reads it, let go a little after the last one
left.
"""

import asyncio
import contextlib
import errno
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from streamzip.archives.aside import aside
from streamzip.archives.closing import CopyCloser
from streamzip.archives.events import Events
from streamzip.archives.finishing import Finished, finish
from streamzip.archives.open_here import OpenHere
from streamzip.archives.opening import MeasuredLayout, Opener, StoredArchive, measure
from streamzip.assembly.assembly import Assembly
from streamzip.assembly.pulling import Pulling
from streamzip.assembly.reader import Reading
from streamzip.errors import AskedAnew, Elsewhere, NotFound, NotReady, Problem
from streamzip.files.durable import DISK_FULL
from streamzip.logs import event
from streamzip.spool.file import FileSpool
from streamzip.spool.memory import Memory
from streamzip.spool.shelf import Shelf
from streamzip.store.rows import ArchiveRow

logger = logging.getLogger(__name__)

TOO_MANY_FILES = frozenset({errno.EMFILE, errno.ENFILE})
LINGER = 5.0  # seconds an archive stays open after its last reader: the next range request finds it so


@dataclass(slots=True)
class _Open:
    stored: StoredArchive
    assembly: Assembly
    copy: FileSpool | None  # None: no copy of this archive is kept
    readers: int = 0
    alone: list[Assembly] = field(default_factory=list)  # of readers that pull into memory
    finishing: asyncio.Task[None] | None = None
    closing: asyncio.TimerHandle | None = None
    noted: bool = False  # that a full pass was made: a copy that is sealed may not have been noted before a `kill -9`
    gone: bool = False  # deleted: readers are cut, and nothing is finished


@dataclass(frozen=True, slots=True)
class Limits:
    """How many archives may be open at once, and of how many of them files may be pulled."""

    opened: int
    pulled: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A hold on an open archive. `shared` is everybody's; where `kept` is false it only tells, and each reader pulls
    alone.
    """

    shared: Assembly
    kept: bool
    alone: Callable[[int], contextlib.AbstractAsyncContextManager[Assembly]]  # from this archive offset on
    pulling: Callable[[], contextlib.AbstractContextManager[None]]  # around what may pull; NotReady where too many do


class ArchiveTable:
    """The open archives. It tells when one was opened, and when a full pass over one was made: durable, where a copy is
    kept.
    """

    def __init__(
        self,
        shelf: Shelf,
        pulling: Pulling,
        reading: Reading,
        memory: Memory,
        events: Events,
        *,
        limits: Limits,
    ) -> None:
        self._shelf = shelf
        self._opener = Opener(shelf, pulling, reading, memory)
        self._events = events
        self._open: dict[str, _Open] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._claims: dict[str, int] = {}
        self._limits = limits
        self._pulling: Counter[str] = Counter()
        self._telling: set[asyncio.Task[None]] = set()
        self._closing = CopyCloser()

    def counts(self) -> tuple[int, int]:
        """Return how many archives are open here, and how many parts are being pulled for all their readers."""
        return len(self._open), sum(opened.assembly.wants.pulling for opened in self._open.values())

    def promised(self) -> int:
        """Return how many bytes the open copies are still to take, as far as their length is known."""
        everyone = list(self._open.values())
        unfinished = [opened.assembly.ledger for opened in everyone if opened.copy and not opened.copy.sealed]
        return sum(max(0, ledger.length - ledger.extents.present) for ledger in unfinished if ledger.length is not None)

    def close_idle(self, hash: str | None = None) -> None:
        """Close the archive, or all of them, where nobody reads it, so that it can be evicted."""
        for name, opened in list(self._open.items()):
            if hash in (None, name) and not opened.readers and not opened.finishing:
                self._close(name, opened)

    def _claim(self, hash: str, size: int | None) -> bool:
        """Return whether a copy of this size has room beside those that are read here, which cannot be evicted; if so,
        it is counted among them from now on.
        """
        if not self._shelf.within_budget(size):
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

    def peek(self, hash: str) -> Assembly | None:
        """Return the archive, where it is open here."""
        opened = self._open.get(hash)
        return None if opened is None else opened.assembly

    def reading(self, hash: str) -> bool:
        """Return whether somebody wants bytes of it, in this process."""
        opened = self._open.get(hash)
        return opened is not None and (opened.assembly.wants.any or bool(opened.alone))

    def open_here(self) -> "dict[str, OpenHere]":
        """Return what is open in this process, by hash."""
        return {
            hash: OpenHere(
                opened.stored.layout,
                opened.stored.created_at,
                [each.ledger for each in (opened.assembly, *opened.alone)],
                is_learned=opened.noted or opened.stored.learned is not None,
                active=self.reading(hash),
                read=opened.readers > 0,
            )
            for hash, opened in self._open.items()
        }

    def readers(self, hash: str) -> int:
        """Return how many hold the archive open in this process: downloads, and its build."""
        opened = self._open.get(hash)
        return 0 if opened is None else opened.readers

    def names(self) -> list[str]:
        """Return the archives that are open here and have readers."""
        return [name for name, opened in self._open.items() if opened.readers]

    @contextlib.asynccontextmanager
    async def lease(
        self, row: ArchiveRow, load: Callable[[], Awaitable[StoredArchive]], *, foreign: bool
    ) -> AsyncIterator[Lease]:
        """Give the open archive, for as long as the context lasts; `load` is asked where it is not open yet.

        What is open here of an earlier round of the archive, or of one of its name that was deleted, is void.
        `foreign`: its bytes are another node's; what is open here is void unless it knows their CRCs. Raises AskedAnew
        where what is open is of a later round.
        """
        hash, rounds = row.hash, row.rounds
        opened = self._open.get(hash)
        if opened is not None and opened.stored.created_at != row.created_at:
            self.cut(hash, NotFound("the archive was deleted"))
            opened = None
        if opened is not None and (opened.stored.layout.rounds < rounds or (foreign and opened.stored.learned is None)):
            self.cut(hash, AskedAnew())
            opened = None
        begun = False
        while (opened := self._open.get(hash)) is None or self._lost(hash, opened):
            begun = True
            if hash not in self._opening:
                self._check_room()
                self._opening[hash] = asyncio.create_task(self._open_now(hash, load))
            await asyncio.shield(self._opening[hash])
        if opened.stored.layout.rounds != rounds:
            self._close_later(hash, opened)
            raise AskedAnew
        opened.readers += 1
        if opened.closing is not None:
            opened.closing.cancel()
            opened.closing = None
        if begun:
            self._events.opened(hash)
        self._finish_if_all_there(hash, opened)
        try:
            yield Lease(
                opened.assembly,
                opened.copy is not None,
                partial(self._alone, hash, opened),
                partial(self._pull, hash, opened),
            )
        finally:
            opened.readers -= 1
            self._close_later(hash, opened)

    def _lost(self, hash: str, opened: _Open) -> bool:
        """Return whether the archive's copy was taken away beneath it: it was damaged, or deleted by another process,
        and perhaps created anew. It is to be opened anew then.
        """
        if opened.copy is None or not opened.copy.removed:
            return False
        event(logger, logging.WARNING, "copy_removed", archive=hash)
        del self._open[hash]
        return True

    async def opened(self, hash: str) -> None:
        """Wait until the archive is open, where it is being opened."""
        if hash in self._opening:
            await asyncio.wait([self._opening[hash]])

    def _check_room(self) -> None:
        """Each open archive has files open, and those are counted."""
        if len(self._open) + len(self._opening) >= self._limits.opened:
            self.close_idle()
        if len(self._open) + len(self._opening) >= self._limits.opened:
            raise _too_many()

    @contextlib.contextmanager
    def _pull(self, hash: str, opened: _Open) -> Iterator[None]:
        if opened.assembly.archive.spool.sealed:
            yield
            return
        if hash not in self._pulling and len(self._pulling) >= self._limits.pulled:
            raise _too_many()
        self._pulling[hash] += 1
        try:
            yield
        finally:
            self._pulling[hash] -= 1
            if not self._pulling[hash]:
                del self._pulling[hash]

    async def _open_now(self, hash: str, load: Callable[[], Awaitable[StoredArchive]]) -> None:
        try:
            stored = await load()
            # Files are opened, a journal is read, 100,000 places are counted: not while every other reader waits. What
            # a thread would do sooner than it is begun needs none.
            measured = stored.measured
            if measured is None:
                measured = await aside(stored.manifest, partial(measure, stored.layout, stored.learned))
            size = measured.size
            try:
                kept = self._claim(hash, size)
                if not kept and self._shelf.within_budget(size):
                    await asyncio.to_thread(self._shelf.look)  # there may be room again
                    kept = self._claim(hash, size)
                if kept and size is not None and not self._shelf.fits(size):
                    # Before the first byte of it: the disk would be full, for the store too, until others had gone.
                    self.close_idle()
                    held = await asyncio.to_thread(self._shelf.held)
                    wanted = self.promised() + size  # asked after that: see Evictor
                    await asyncio.to_thread(self._shelf.make_room, time.time(), held, wanted=wanted)
                begin = partial(self._begin, stored, measured, kept=kept)
                self._open[hash] = await asyncio.to_thread(begin) if kept else await aside(stored.manifest, begin)
            except OSError as error:
                if error.errno in TOO_MANY_FILES:
                    raise _too_many() from error
                if error.errno not in DISK_FULL:
                    raise
                # Not even a journal can be begun: the archive is made without a copy.
                event(logger, logging.WARNING, "disk_full", archive=hash, error=error.strerror)
                self._open[hash] = await asyncio.to_thread(self._begin, stored, measured, kept=False)
        finally:
            del self._opening[hash]

    def _begin(self, stored: StoredArchive, measured: MeasuredLayout, *, kept: bool) -> _Open:
        all_there = partial(self._all_there, stored.hash)
        assembly, copy = self._opener.shared(stored, measured, kept=kept, on_all_there=all_there)
        noted = copy is not None and copy.sealed and stored.learned is not None
        return _Open(stored, assembly, copy, noted=noted)

    def _all_there(self, hash: str) -> None:
        opened = self._open.get(hash)
        if opened is not None:
            self._finish_if_all_there(hash, opened)

    @contextlib.asynccontextmanager
    async def _alone(self, hash: str, opened: _Open, start: int) -> AsyncIterator[Assembly]:
        with self._opener.alone(opened.stored, opened.assembly, opened.copy, start) as assembly:
            opened.alone.append(assembly)
            try:
                yield assembly
            finally:
                opened.alone.remove(assembly)
                offsets = assembly.ledger.offsets
                if offsets.complete and offsets.crcs_known and opened.stored.learned is None:
                    task = asyncio.create_task(
                        self._tell(hash, Finished(offsets.length, offsets.learned(), offsets.layout))
                    )
                    self._telling.add(task)
                    task.add_done_callback(self._telling.discard)

    async def _tell(self, hash: str, finished: Finished) -> None:
        try:
            await self._events.completed(hash, finished)
        except Problem as problem:  # the store's; the next full pass is noted
            event(logger, logging.WARNING, "completion_not_noted", archive=hash, code=problem.code)
            return
        opened = self._open.get(hash)
        if opened is not None and opened.copy is None:
            del self._open[hash]  # what was learned counts from the next opening on

    def _finish_if_all_there(self, hash: str, opened: _Open) -> None:
        if opened.copy is None or opened.finishing or opened.gone or opened.noted:
            return
        if opened.assembly.ledger.all_there:
            opened.finishing = asyncio.create_task(self._finish(hash, opened, opened.copy))

    async def _finish(self, hash: str, opened: _Open, copy: FileSpool) -> None:
        try:
            await self._events.completed(hash, await finish(opened.assembly, copy))
            opened.noted = True
        except Elsewhere:
            event(logger, logging.WARNING, "copy_of_other_versions", archive=hash)
        except Problem as problem:
            # It was deleted or found stale meanwhile, as its readers are told; or the store takes no note now.
            event(logger, logging.WARNING, "copy_not_finished", archive=hash, code=problem.code)
        except FileNotFoundError:  # its copy was removed: with the archive as a rule, and its readers are told
            event(logger, logging.WARNING, "copy_not_finished", archive=hash, code=NotFound.code)
        except Exception:
            logger.exception("a copy could not be finished", extra={"fields": {"archive": hash}})
        finally:
            opened.finishing = None
            self._close_later(hash, opened)

    async def finished(self, hash: str) -> bool:
        """Finish the copy where all of it is there, and wait until it is durable and the store knows; False where that
        failed.
        """
        opened = self._open.get(hash)
        if opened is not None:
            self._finish_if_all_there(hash, opened)
            if opened.finishing is not None:
                await asyncio.wait([opened.finishing])
        return opened is not None and opened.noted

    def is_finishing(self, hash: str) -> bool:
        """Return whether the archive's copy is being made durable here."""
        opened = self._open.get(hash)
        return opened is not None and opened.finishing is not None

    def _close_later(self, hash: str, opened: _Open) -> None:
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
        if opened.copy is not None:
            self._closing.close(opened.assembly, opened.copy)

    def cut(self, hash: str, problem: Problem) -> None:
        """End the archive's readers: it was deleted, or can never be continued."""
        opened = self._open.pop(hash, None)
        if opened is not None:
            opened.gone = True
            opened.assembly.archive.cut(problem)
            if opened.readers == 0 and opened.finishing is None:
                self._close(hash, opened)

    async def close(self) -> None:
        """End all: what is being finished is waited for."""
        finishing = [opened.finishing for opened in self._open.values() if opened.finishing is not None]
        finishing.extend(self._telling)
        if finishing:
            await asyncio.wait(finishing)
        for hash, opened in list(self._open.items()):
            self._close(hash, opened)
        await self._closing.ended()


def _too_many() -> NotReady:
    return NotReady("too many archives are being made at once; ask again", code="too_many_archives", retry_after=5)
