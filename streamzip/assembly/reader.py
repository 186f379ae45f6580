"""A reader: the loop over pieces from any offset of the archive to any other, at its reader's own speed.

What the spool has is read; what it lacks is stood at, and read as it lands. Headers and descriptors of members that are
still coming in are rendered; everything that is complete is read from the file in large runs, across members.
"""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from dataclasses import dataclass, field

from streamzip.assembly.archive import Archive
from streamzip.assembly.lookahead import Lookahead
from streamzip.assembly.reach import Reach, Reaches
from streamzip.assembly.read_size import ReadSize
from streamzip.assembly.wants import Wants
from streamzip.spans import Data, Span
from streamzip.zip.layout import UNKNOWN, Trait
from streamzip.zip.offsets import Kind, Piece
from streamzip.zip.render import render

PROOF_RUN = 64  # members that are completed in one go when an earlier process left them


@dataclass(frozen=True, slots=True)
class Reading:
    """What the readers of all archives share; `pool` waits for the disk."""

    pool: Executor
    reaches: Reaches
    size: ReadSize = field(default_factory=ReadSize)


class Reader:
    """Reads archive bytes `[start, stop)`; `stop` None: to the end, wherever that comes to lie."""

    def __init__(self, archive: Archive, wants: Wants, reading: Reading) -> None:
        self._archive = archive
        self._ledger = archive.ledger
        self._reading = reading
        self._lookahead = Lookahead(archive.ledger, wants, archive.spool, Reach(reading.reaches))

    async def read(self, start: int, stop: int | None = None) -> AsyncGenerator[Data, None]:
        """Give the bytes, run by run; the reader wants nothing afterwards. Raises what ended a pull that it needed."""
        position, archive = start, self._archive
        self._bound(stop)
        self._lookahead.begin()
        try:
            with self._reading.size.shared():
                while stop is None or position < stop:
                    if stop is None and self._is_end_known():
                        stop = self._ledger.offsets.length
                        continue
                    archive.check_cut()
                    run = await self._next(position, stop)
                    first, position = position == start, position + len(run)
                    if not first:
                        self._lookahead.passed(position, len(run))
                    yield run
                    if first:  # the first bytes are on their way before anything else is begun
                        self._lookahead.passed(position, len(run))
                    archive.spool.passed(position)
        finally:
            self.close()

    def close(self) -> None:
        """Want nothing more."""
        self._lookahead.close()

    def _is_end_known(self) -> bool:
        offsets, spool = self._ledger.offsets, self._archive.spool
        if spool.sealed and not offsets.complete:
            self._archive.follow()  # another process finished the copy, and said before where it ends
        return offsets.complete

    def _bound(self, stop: int | None) -> None:
        """Want no part beyond archive offset `stop`, where the reader ends there."""
        offsets = self._ledger.offsets
        if stop is not None and offsets.complete and 0 < stop <= offsets.directory_start:
            member = offsets.member_at(stop - 1)
            parts = offsets.parts_of(member)
            self._lookahead.last = self._lookahead.part_at(member, stop - 1)[0] if parts else parts.start

    async def _next(self, position: int, stop: int | None) -> Data:
        """Return at least one byte from `position` on."""
        ledger, offsets = self._ledger, self._ledger.offsets
        limit = position + self._reading.size.size
        limit = limit if stop is None else min(stop, limit)
        while True:
            if self._archive.spool.sealed:
                return await self._from_file(position, limit)
            if offsets.complete and position >= offsets.directory_start:
                return await self._directory(position, limit)
            member = offsets.member_at(position)
            incomplete = ledger.complete.find(0, member)
            if incomplete != member:
                complete_to = offsets.directory_start if incomplete < 0 else offsets.offset(incomplete)
                return await self._from_file(position, min(limit, complete_to))
            if await self._complete(member):
                continue
            run = await self._from_piece(offsets.piece_at(position), position, limit)
            if run:
                return run

    async def _complete(self, member: int) -> bool:
        """Complete what is there and waits to be proven or written: members without bytes, an earlier process's."""
        archive, ledger = self._archive, self._ledger
        if not ledger.done(member):
            return False
        for candidate in range(member, min(member + PROOF_RUN, ledger.layout.members)):
            if not ledger.done(candidate):
                break
            for part in ledger.offsets.parts_of(candidate):
                await archive.prove(part)
            if not archive.complete(candidate):
                break
        archive.check_all_there()
        return bool(ledger.complete[member])

    async def _from_piece(self, piece: Piece, position: int, limit: int) -> Data:
        """Return bytes of a member that is still coming in; none where the state has moved on and must be looked at
        again.
        """
        ledger, offsets, member = self._ledger, self._ledger.offsets, piece.member
        traits = offsets.traits[member]
        if ledger.withheld(member):
            await self._wait_for_rest_of(member)
            return b""
        if piece.kind is Kind.BYTES and (not traits & Trait.OPEN or ledger.begun[member]):
            return await self._from_part(piece, position, limit)
        if piece.kind is Kind.DESCRIPTOR:
            return await self._rendered(piece, position, limit)
        first = offsets.parts_of(member).start
        if traits & Trait.OPEN and not ledger.begun[member]:
            # What there is of its bytes cannot be used yet, where the record of its beginning was lost.
            await self._lookahead.wait(first, ledger.extents.filled[first])
            return b""
        if traits & Trait.HELD:
            await self._lookahead.wait(first, 0)
            return b""
        # A header is worth nothing without what follows: an origin that fails first still gets its reader a status.
        if not ledger.extents.filled[first]:
            await self._lookahead.wait(first, 0)
        return await self._rendered(piece, position, limit)

    async def _rendered(self, piece: Piece, position: int, limit: int) -> bytes:
        """Return bytes of a header or a descriptor; none after a wait for what they need."""
        rendered = render(self._ledger.offsets, piece, Span(position, limit))
        if isinstance(rendered, bytes):
            return rendered
        await self._wait_for_rest_of(piece.member)
        return b""

    async def _from_part(self, piece: Piece, position: int, limit: int) -> Data:
        ledger = self._ledger
        part = ledger.offsets.part_at(piece.member, position - piece.span.start)
        start = piece.span.start + part.start
        if ledger.unproven(part.number):
            await self._archive.prove(part.number)
        readable = start + ledger.readable(part.number)
        if position < readable:
            return await self._from_file(position, min(limit, readable))
        landed = await self._lookahead.wait(part.number, position - start)
        # A slow client would keep the whole of the buffer that a slice of it lies in.
        return landed if len(landed) <= limit - position else bytes(landed[: limit - position])

    async def _wait_for_rest_of(self, member: int) -> None:
        """Wait for more of the first of the member's parts that is not all there, and is needed."""
        ledger = self._ledger
        for part in ledger.offsets.parts_of(member):
            if ledger.needed(part):
                await self._lookahead.wait(part, ledger.extents.filled[part])
                return

    async def _from_file(self, position: int, stop: int) -> Data:
        spool, length = self._archive.spool, stop - position
        run = spool.read_now(position, length)
        if not run:
            run = await asyncio.get_running_loop().run_in_executor(self._reading.pool, spool.read, position, length)
        if not run:
            raise OSError(5, "the archive's copy on disk has been cut short")
        return run

    async def _directory(self, position: int, limit: int) -> bytes:
        offsets = self._ledger.offsets
        if not offsets.crcs_known and not offsets.is_in_end_records(position):
            await (self._checksums() if self._ledger.has_heard else self.everything())
        return offsets.directory(Span(position, limit))

    async def _checksums(self) -> None:
        """Have every member's CRC known, where another node has pulled some of what lies before this reader."""
        ledger, lookahead = self._ledger, self._lookahead
        for member in range(ledger.layout.members):
            while ledger.offsets.crcs[member] == UNKNOWN and not await self._complete(member):
                part = next(filter(ledger.needed, ledger.offsets.parts_of(member)))
                lookahead.last = part  # what follows may be known
                await lookahead.wait(part, ledger.extents.filled[part])

    async def everything(self) -> None:
        """Have all members there, proven and complete; pulled in order, as a reader of the whole archive would."""
        ledger, member, lookahead = self._ledger, 0, self._lookahead
        lookahead.begin()
        while (member := ledger.complete.find(0, member)) >= 0:
            if await self._complete(member):
                lookahead.took(ledger.offsets.end(member) - ledger.offsets.offset(member), 1)
            else:
                missing = ledger.extents.done.find(0, ledger.offsets.parts_of(member).start)
                await lookahead.wait(missing, ledger.extents.filled[missing])
