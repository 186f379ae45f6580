"""One archive filling in: which parts its readers want, the pulls under way for them, and what of it is there.

There is no build to own or hand over. A reader stands at a part and wants it and those after it (its window); a part
that somebody wants is pulled, once, whoever wants it; a part that nobody wants any more gives its connection up.
Readers wait here for bytes and are woken as each chunk lands.
"""

import asyncio
import errno
import logging
from array import array
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from streamzip.archive.failures import as_problem
from streamzip.archive.lanes import Lanes
from streamzip.archive.places import Kind, Places
from streamzip.archive.pulling import Bounds, Patience, Tries
from streamzip.archive.runs import Runs
from streamzip.clock import Clock
from streamzip.errors import NotFound, OriginError, Problem
from streamzip.logs import event
from streamzip.manifest.model import Entry, Manifest
from streamzip.sources.registry import Registry
from streamzip.spans import Data
from streamzip.spool.base import Spooling
from streamzip.spool.journal import Begun, Settled
from streamzip.zip.layout import UNKNOWN, Layout, Trait

logger = logging.getLogger(__name__)

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

FOLLOW_INTERVAL = 0.02  # seconds between looks into the journal while another process pulls what is wanted


@dataclass(frozen=True, slots=True)
class Window:
    """How far ahead of a reader parts are pulled: whichever bound is met first."""

    parts: int = 32
    size: int = 48 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Works:
    """What every archive being filled in shares."""

    registry: Registry
    lanes: Lanes
    clock: Clock
    pool: Executor
    patience: Patience = field(default_factory=Patience)
    window: Window = field(default_factory=Window)
    bounds: Bounds = field(default_factory=Bounds)
    runs: Runs = field(default_factory=Runs)
    list_after: float = 0.1  # seconds that other processes wait for news of a pull under way


class Chunk(NamedTuple):
    """Bytes of a part as they landed: from its byte `start` on."""

    start: int
    data: Data


NOTHING = Chunk(-1, b"")


def part_lengths(places: Places) -> "array[int]":
    """The length of every part in the archive's bytes, UNKNOWN where it shows only when the part is there."""
    lengths = array("q")
    for member in range(places.layout.members):
        parts = places.parts_of(member)
        if len(parts) == 1:
            lengths.append(places.stored[member])
        else:
            lengths.extend((part.stop or 0) - part.start for part in map(places.part, parts))
    return lengths


class Filling:
    """The archive's state in this process, shared by its readers. `write_part` pulls one part into the spool
    (writing.py).
    """

    def __init__(
        self,
        *,
        manifest: Manifest,
        layout: Layout,
        places: Places,
        spool: Spooling,
        works: Works,
        write_part: "Callable[[Filling, int], Awaitable[None]]",
        bodies: dict[int, bytes],
        released: bool = False,
        rebuilt: bool = False,
    ) -> None:
        self.manifest = manifest
        self.layout = layout
        self.places = places
        self.spool = spool
        self.works = works
        self.bodies = bodies  # small members whose bytes the probe has kept
        self.extents = spool.extents
        self.settled = bytearray(layout.members)  # members whose header, bytes and descriptor are all in the file
        self.assumed: set[int] = (
            set()
        )  # members whose CRC is known from an earlier pass, and not all pulled in this one
        self.begun = bytearray(layout.members)  # open members whose header may be read
        self.released = released  # bytes of members without a strong validator may have been given out
        self.rebuilt = rebuilt  # what is pulled must be what an earlier pass gave out, of which the CRCs are known
        self.proofs: dict[int, asyncio.Task[None]] = {}  # comparisons under way of what an earlier life left of parts
        self.full = False  # the disk took no more of the copy
        self._write_part = write_part
        self._wanted: dict[int, int] = {}
        self._standing: dict[int, int] = {}
        self._pulls: dict[int, asyncio.Task[None]] = {}
        self._failures: dict[int, Exception] = {}
        self._tries: dict[int, Tries] = {}
        self._waiters: dict[int, list[asyncio.Future[Chunk]]] = {}
        self._placing: list[asyncio.Future[None]] = []
        self._looks: list[asyncio.Future[None]] = []
        self._flush_due = False
        self._stopping = False
        self._cut: Problem | None = None
        self.on_all_there: Callable[[], None] = lambda: None
        self.on_failure: Callable[[int, Exception], None] = lambda _part, _error: None
        for record in spool.settled.values():
            self.take_settled(record)
        for begun in spool.begun.values():
            self.take_begun(begun)
        self.extents = spool.extents

    def go_on_from(self, other: "Filling") -> None:
        """Take up the other filling's state of the same archive, which this one's spool has for its beginning."""
        self.settled[:], self.begun[:] = other.settled, other.begun
        self.assumed = set(other.assumed)
        self.released = other.released

    # -- wants -------------------------------------------------------------------------------------------

    @property
    def pulling(self) -> int:
        """Pulls under way."""
        return len(self._pulls)

    @property
    def wanted(self) -> bool:
        """Whether anybody wants anything."""
        return bool(self._wanted)

    def want(self, part: int) -> None:
        """One more reader wants the part; an earlier failure is forgotten, the new reader makes its own attempt."""
        self._wanted[part] = self._wanted.get(part, 0) + 1
        if not self.extents.done[part] and part not in self._pulls:
            if self._failures.pop(part, None) is not None:
                self._tries.pop(self.places.member_of(part), None)
            self._begin(part)

    def unwant(self, part: int) -> None:
        """One reader fewer; the last one's leaving ends the pull and frees its connection."""
        left = self._wanted[part] - 1
        if left:
            self._wanted[part] = left
            return
        del self._wanted[part]
        task = self._pulls.get(part)
        if task is not None:
            task.cancel()

    def stand(self, part: int, step: int) -> None:
        """A reader has come to (+1) or leaves (-1) a part that it waits for."""
        count = self._standing.get(part, 0) + step
        if count:
            self._standing[part] = count
        else:
            del self._standing[part]
        if step > 0 and part in self._pulls:
            self.works.lanes.nudge(self.origin(part))

    def urgent(self, part: int) -> bool:
        """Whether a reader waits for the part now."""
        return part in self._standing

    def origin(self, part: int) -> str:
        """The origin (scheme, host, port) that the part is pulled from."""
        return self.works.registry.origin(self.url(self.places.member_of(part)))

    def entry(self, member: int) -> Entry:
        """What the client asked for."""
        return self.manifest.entries[self.layout.entries[member]]

    def url(self, member: int) -> str:
        """Where the member's bytes come from."""
        return self.entry(member).url

    def tries(self, member: int) -> Tries:
        """The attempts left at the member."""
        return self._tries.setdefault(member, Tries(self.works.patience.attempts))

    # -- pulls -------------------------------------------------------------------------------------------

    async def _pull(self, part: int) -> None:
        try:
            await self._write_part(self, part)
            self.full = False
        except Exception as error:
            self.full = self.full or (isinstance(error, OSError) and error.errno in DISK_FULL)
            self._failures[part] = error
            if not isinstance(error, OriginError | Problem | OSError):
                logger.exception("a pull failed unexpectedly")
            self.on_failure(part, error)
        finally:
            del self._pulls[part]
            # A reader may have come while this pull was being cancelled because the last one had left.
            if part not in self._failures:
                self.start_again(part)
            self.wake(part)

    async def stop(self) -> None:
        """End every pull, and wait until what they have is listed."""
        self._stopping = True
        pulls = list(self._pulls.values())
        for pull in pulls:
            pull.cancel()
        await asyncio.gather(*pulls, return_exceptions=True)

    def start_again(self, part: int) -> None:
        """A part that is wanted still, and is not there (any more): pull it."""
        if self._stopping:
            return
        if part in self._wanted and part not in self._pulls and not self.extents.done[part]:
            self._begin(part)

    def _begin(self, part: int) -> None:
        task = self._pulls[part] = asyncio.create_task(self._pull(part))
        task.add_done_callback(partial(self._forget_unbegun, part))

    def _forget_unbegun(self, part: int, task: "asyncio.Task[None]") -> None:
        """A pull that was cancelled before its first step cleaned up nothing: whoever wants its part later would
        wait for it for ever.
        """
        if self._pulls.get(part) is task:
            del self._pulls[part]
            self.start_again(part)

    @property
    def entries_done(self) -> int:
        """How many entries are all there; the report is none of them."""
        known = range(self.layout.members if self.places.complete else self.places.placed)
        return sum(self.done(member) for member in known if not self.layout.traits[member] & Trait.REPORT)

    def done(self, member: int) -> bool:
        """Whether all of the member's bytes are there."""
        parts = self.places.parts_of(member)
        return self.extents.done.find(0, parts.start, parts.stop) < 0

    def strong(self, member: int) -> bool:
        """Whether a strong validator tells the member's representation from any other."""
        pin = self.spool.pins.get(member)
        return self.layout.validators[member].startswith("s") or (pin is not None and pin.strong)

    def withheld(self, member: int) -> bool:
        """Whether nothing of the member may be read before its whole CRC agreed: an earlier pass gave it out, its copy
        is gone, and no validator tells whether what is pulled now is the same.
        """
        unsure = self.rebuilt and not self.strong(member) and not self.settled[member]
        return unsure and not self.places.traits[member] & (Trait.HELD | Trait.REPORT)

    def replaceable(self, member: int) -> bool:
        """Whether bytes of the member that were lost can be pulled again, and be known to be the same."""
        if not self.released or self.rebuilt or self.strong(member):
            return True
        # Held whole before any of it is given out, and compared with the CRC that was given.
        return bool(self.layout.traits[member] & Trait.HELD) and self.layout.crcs[member] != UNKNOWN

    def take_begun(self, record: Begun) -> None:
        """Another process, or an earlier life, has begun to write an open member: its header and what there is of its
        bytes may be read.
        """
        member = record.member
        if self.places.stored[member] == UNKNOWN:
            self.places.traits[member] = record.traits | Trait.OPEN
            self.begun[member] = 1

    def take_settled(self, record: Settled) -> None:
        """Another process, or an earlier life, has written an open member: its place and what follows from it are
        known.
        """
        member = record.member
        self.places.settle(member, traits=record.traits, size=record.size, stored=record.stored)
        self.places.crcs[member] = record.crc
        self.extents.know_length(self.places.parts_of(member).start, record.stored)
        self.wake_placing()

    def follow(self) -> None:
        """Take up what other processes journalled."""
        for record in self.spool.follow():
            if isinstance(record, Begun):
                self.take_begun(record)
            else:
                self.take_settled(record)

    async def news(self) -> None:
        """The next look into the journal: one, however many parts are followed. Raises OSError from the disk."""
        look: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._looks:
            asyncio.get_running_loop().call_later(FOLLOW_INTERVAL, self._look)
        self._looks.append(look)
        await look

    def _look(self) -> None:
        looks, self._looks = [look for look in self._looks if not look.done()], []
        if not looks:
            return  # the journal may be closed by now
        try:
            self.follow()
        except OSError as error:
            for look in looks:
                look.set_exception(error)
        else:
            for look in looks:
                look.set_result(None)

    def missing_before(self, offset: int) -> int:
        """Bytes that must be pulled before the archive byte at `offset` is known, beyond that byte's own part."""
        places, extents = self.places, self.extents
        if extents.missing == 0 or (not places.complete and offset >= places.offset(places.placed)):
            return 0
        piece = places.piece_at(offset)
        if piece.kind is Kind.DIRECTORY:
            members = range(self.layout.members)
        elif piece.kind is Kind.DESCRIPTOR:
            members = range(piece.member, piece.member + 1)
        else:
            return 0
        unknown = (member for member in members if places.crcs[member] == UNKNOWN)
        parts = (part for member in unknown for part in places.parts_of(member) if not extents.done[part])
        return sum(max(extents.lengths[part], 0) - extents.filled[part] for part in parts)

    # -- waiting -----------------------------------------------------------------------------------------

    async def grown(self, part: int, beyond: int) -> Chunk:
        """Wait until more than `beyond` bytes of the part may be read, or all of it is there. Raises what ended its
        pull.

        The bytes from `beyond` on come with it, where they landed just now: they need not be read back.
        """
        extents = self.extents
        self.check_cut()
        landed = NOTHING
        while extents.filled[part] <= beyond and not extents.done[part]:
            failure = self._failures.get(part)
            if failure is not None:
                raise as_problem(failure, part, self.manifest, self.layout, self.places)
            landed = await self._wait(part)
            self.check_cut()
        return landed if landed.start == beyond else NOTHING

    def cut(self, problem: Problem) -> None:
        """End every reader: the archive was deleted."""
        self._cut = problem
        for part in list(self._waiters):
            self.wake(part)

    def check_cut(self) -> None:
        """Raise what ended the archive, where something did."""
        if self._cut is not None:
            raise self._cut
        if self.spool.removed:
            raise NotFound("the archive was deleted")

    async def _wait(self, part: int) -> Chunk:
        waiter: asyncio.Future[Chunk] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(part, []).append(waiter)
        return await waiter

    def wake(self, part: int, landed: Chunk | None = None) -> None:
        """Something of the part landed, or its pull ended."""
        for waiter in self._waiters.pop(part, ()):
            if not waiter.done():
                waiter.set_result(landed or NOTHING)

    async def placed(self, member: int) -> None:
        """Wait until the member's place is known: all before it have ended."""
        while self.places.placed < member:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._placing.append(waiter)
            await waiter

    def wake_placing(self) -> None:
        """A member ended: the places after it are known."""
        waiters, self._placing = self._placing, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # -- the journal -------------------------------------------------------------------------------------

    def give_back(self, part: int) -> None:
        """Let other processes pull the part, as soon as what this one listed of it is written."""
        self.spool.give_back(part)
        self.journalled()

    def journalled(self) -> None:
        """Records were added: write them at the end of this turn of the loop, all with one call."""
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write what was added now: before another process may act on its absence."""
        self._flush_due = False
        try:
            self.spool.flush()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                raise
            event(
                logger,
                logging.WARNING,
                "journal_not_written",
                archive=self.spool.name,
                error=error.strerror,
            )

    def check_all_there(self) -> None:
        """Say so, once the last part is done."""
        if self.extents.missing == 0 and self.places.complete:
            self.on_all_there()
