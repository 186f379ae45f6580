"""A reader: the loop over pieces from any offset of the archive to any other, at its reader's own speed.

What the spool has is read; what it lacks is stood at, and read as it lands. Headers and descriptors of members that are
still coming in are rendered; everything that has settled is read from the file in large runs, across members.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from streamzip.archive.demand import Demand
from streamzip.archive.filling import Filling
from streamzip.archive.places import Kind, Piece
from streamzip.archive.proving import prove_part, settle
from streamzip.spans import Data, Span
from streamzip.zip.layout import UNKNOWN, Trait

PROOF_RUN = 64  # members that are settled in one go when an earlier life left them


class Reader:
    """Reads archive bytes `[start, stop)`; `stop` None: to the end, wherever that comes to lie."""

    def __init__(self, filling: Filling) -> None:
        self._filling = filling
        self._demand = Demand(filling)
        self._turn = 0  # the archive offset from which on another part is read

    async def read(self, start: int, stop: int | None = None) -> AsyncGenerator[Data, None]:
        """The bytes, run by run. Raises what ended a pull that it needed; `close` it in any case."""
        position = start
        self._bound(stop)
        while stop is None or position < stop:
            if stop is None and self._filling.places.complete:
                stop = self._filling.places.length
                continue
            self._filling.check_cut()
            run = await self._next(position, stop)
            position += len(run)
            self._look_ahead(position)
            yield run
            self._filling.spool.passed(position)

    def close(self) -> None:
        """Want nothing more."""
        self._demand.close()

    def _bound(self, stop: int | None) -> None:
        """A reader that ends at archive offset `stop` wants no part beyond that."""
        places = self._filling.places
        if stop is not None and places.complete and 0 < stop <= places.directory_start:
            member = places.member_at(stop - 1)
            parts = places.parts_of(member)
            self._demand.last = self._part_at(member, stop - 1) if parts else parts.start

    def _look_ahead(self, position: int) -> None:
        """Let the window move along with what is read, and not only with what must be waited for: where all of it has
        come, nothing would be pulled while its reader takes it.
        """
        places = self._filling.places
        if position < self._turn or self._filling.extents.missing == 0 or position >= places.offset(places.placed):
            return
        member = places.member_at(position)
        self._turn = places.end(member)
        if places.parts_of(member):
            number = self._part_at(member, position)
            if number < places.parts_of(member)[-1]:
                self._turn = places.bytes_start(member) + places.part(number + 1).start
            self._demand.move(number)

    def _part_at(self, member: int, position: int) -> int:
        """The member's part that holds this archive offset, or is needed for what lies beside its bytes."""
        places = self._filling.places
        within = max(0, position - places.bytes_start(member))
        return min(places.part_at(member, within).number, places.parts_of(member)[-1])

    async def _next(self, position: int, stop: int | None) -> Data:
        """At least one byte from `position` on."""
        filling, places = self._filling, self._filling.places
        limit = position + filling.works.runs.size
        limit = limit if stop is None else min(stop, limit)
        while True:
            if filling.spool.sealed:
                return await self._from_file(position, limit)
            if places.complete and position >= places.directory_start:
                return await self._directory(position, limit)
            member = places.member_at(position)
            unsettled = filling.settled.find(0, member)
            if unsettled != member:
                settled_to = places.directory_start if unsettled < 0 else places.offset(unsettled)
                return await self._from_file(position, min(limit, settled_to))
            if await self._settle(member):
                continue
            run = await self._from_piece(places.piece_at(position), position, limit)
            if run:
                return run

    async def _settle(self, member: int) -> bool:
        """Take up what is there and only waits to be proven or written: members without bytes, an earlier life's."""
        filling = self._filling
        if not filling.done(member):
            return False
        for candidate in range(member, min(member + PROOF_RUN, filling.layout.members)):
            if not filling.done(candidate):
                break
            for number in filling.places.parts_of(candidate):
                await prove_part(filling, number)
            if not settle(filling, candidate):
                break
        filling.check_all_there()
        return bool(filling.settled[member])

    async def _from_piece(self, piece: Piece, position: int, limit: int) -> Data:
        """Bytes of a member that is still coming in; empty where the state has moved on and must be looked at again."""
        filling, places, member = self._filling, self._filling.places, piece.member
        extents, traits = filling.extents, places.traits[member]
        if filling.withheld(member):
            await self._stand_at_rest_of(member)
            return b""
        if traits & Trait.OPEN and not filling.begun[member]:
            # What there is of its bytes cannot be used yet, where the record of its beginning was lost.
            first = places.parts_of(member).start
            await self._demand.wait(first, extents.filled[first])
            return b""
        if piece.kind is Kind.HEADER and traits & Trait.HELD:
            await self._demand.wait(places.parts_of(member).start, 0)
            return b""
        if piece.kind is Kind.HEADER:
            # A header is worth nothing without what follows: an origin that fails first still gets its reader a status.
            first = places.parts_of(member).start
            if not extents.filled[first]:
                await self._demand.wait(first, 0)
            header = places.header(member, max(places.crcs[member], 0))
            return header[position - piece.span.start : limit - piece.span.start]
        if piece.kind is Kind.DESCRIPTOR and places.crcs[member] != UNKNOWN:
            descriptor = places.descriptor(member, places.crcs[member])
            return descriptor[position - piece.span.start : limit - piece.span.start]
        if piece.kind is Kind.DESCRIPTOR:
            await self._stand_at_rest_of(member)
            return b""
        part = places.part_at(member, position - piece.span.start)
        start = piece.span.start + part.start
        if extents.proven[part.number] < extents.committed[part.number]:
            await prove_part(filling, part.number)
        readable = start + extents.proven[part.number]
        if position < readable:
            return await self._from_file(position, min(limit, readable))
        landed = await self._demand.wait(part.number, position - start)
        # A slow client would keep the whole of the buffer that a slice of it lies in.
        return landed if len(landed) <= limit - position else bytes(landed[: limit - position])

    async def _stand_at_rest_of(self, member: int) -> None:
        """Wait for more of the first of the member's parts that is not all there."""
        extents = self._filling.extents
        for number in self._filling.places.parts_of(member):
            if not extents.done[number]:
                await self._demand.wait(number, extents.filled[number])
                return

    async def _from_file(self, position: int, stop: int) -> Data:
        spool, length = self._filling.spool, stop - position
        run = spool.read_now(position, length)
        if not run:
            run = await asyncio.get_running_loop().run_in_executor(
                self._filling.works.pool, spool.read, position, length
            )
        if not run:
            raise OSError(5, "the archive's copy on disk has been cut short")
        return run

    async def _directory(self, position: int, limit: int) -> bytes:
        if not self._filling.places.crcs_known:
            await everything(self._filling, self)
        return self._filling.places.directory(Span(position, limit))

    async def wait_for(self, number: int) -> None:
        """Stand at a part until it is done or has grown."""
        await self._demand.wait(number, self._filling.extents.filled[number])


async def everything(filling: Filling, reader: Reader) -> None:
    """Have all members there, proven and settled; pulled in order, as a reader of the whole archive would."""
    member = 0
    while (member := filling.settled.find(0, member)) >= 0:
        if not await reader._settle(member):
            missing = filling.extents.done.find(0, filling.places.parts_of(member).start)
            await reader.wait_for(missing)


async def read(filling: Filling, start: int, stop: int | None) -> AsyncGenerator[Data, None]:
    """One reader from its first byte to its last; whatever ends it, it wants nothing afterwards."""
    reader = Reader(filling)
    with filling.works.runs.shared():
        try:
            async with aclosing(reader.read(start, stop)) as runs:
                async for run in runs:
                    yield run
        finally:
            reader.close()
