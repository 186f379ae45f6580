"""How one part comes into the spool: pulled, checked, written to its place, journalled.

    held      a small member is pulled whole, then written with its header, which has its CRC and size
    long      each chunk is written as it lands; header before the first, descriptor after the last
    open      a member of unknown stored size, compressed or unsized; written at the frontier, where others are told
              that it has begun; when it has ended its place is known

Chunks may be read as soon as they are written; extents are journalled after their bytes (listing.py).
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from isal import isal_zlib

from streamzip.archive.filling import Chunk, Filling
from streamzip.archive.listing import Listing
from streamzip.archive.places import Part
from streamzip.archive.proving import check_crc, prove_part, settle
from streamzip.archive.pulling import Pull
from streamzip.archive.remaking import beyond, check_begins
from streamzip.errors import OriginError, Stale
from streamzip.sources.base import Validator
from streamzip.spans import Data
from streamzip.spool.extents import Extent
from streamzip.spool.journal import Begun, Pin, Settled
from streamzip.zip.deflate import BLOCK, deflate, deflated, shrinks
from streamzip.zip.layout import HELD_LIMIT, UNKNOWN, Trait
from streamzip.zip.records import data_descriptor

STREAMED = Trait.OPEN | Trait.DEFLATE
# Blocks of one member, 1 MiB each, that are being compressed or wait for it: with fewer, a core is idle whenever the
# event loop is busy with what the others gave.
COMPRESS_AHEAD = min(16, 2 * (os.cpu_count() or 1) + 2)


async def write_part(filling: Filling, number: int) -> None:
    """Have the part in the spool, pulled by this process or by another. Raises OriginError, Stale, or OSError from the
    disk.
    """
    await prove_part(filling, number)
    origin = filling.origin(number)
    while not filling.extents.done[number]:
        await filling.works.lanes.enter(origin, lambda: filling.urgent(number))
        try:
            pulled = await _under_lock(filling, number)
        finally:
            filling.works.lanes.leave(origin)
        if not pulled:
            await _follow(filling, number)


async def _under_lock(filling: Filling, number: int) -> bool:
    if not filling.spool.claim(number):
        return False
    try:
        filling.follow()
        if not filling.extents.done[number]:
            await prove_part(filling, number)
            await _PartWriter(filling, filling.places.part(number)).write()
        return True
    finally:
        filling.give_back(number)


async def _follow(filling: Filling, number: int) -> None:
    """Another process pulls this part: read its journal until the part is there or the process is gone."""
    seen = filling.extents.filled[number]
    while True:
        await filling.news()
        if filling.extents.filled[number] > seen:
            seen = filling.extents.filled[number]
            filling.wake(number)
        if filling.extents.done[number]:
            filling.check_all_there()
            return
        if filling.spool.claim(number):
            filling.give_back(number)
            return


@dataclass(slots=True)
class _PartWriter:
    filling: Filling
    part: Part

    async def write(self) -> None:
        filling, member = self.filling, self.part.member
        traits = filling.places.traits[member]
        if traits & STREAMED:
            await self._write_open()
        elif traits & Trait.HELD:
            await self._write_held(await self._whole())
        else:
            await self._write_long()
        if filling.strong(member):
            filling.journalled()
        else:
            filling.flush()  # before anybody has any of it, as in Listing
        filling.wake(self.part.number)
        filling.check_all_there()

    # -- the pull ----------------------------------------------------------------------------------------

    def _pull(self, *, prefix: int, crc: int) -> Pull:
        filling, part = self.filling, self.part
        member, layout, places, works = part.member, filling.layout, filling.places, filling.works
        pinned, filled = filling.spool.pins.get(member), filling.extents.filled
        entry, size = filling.entry(member), places.sizes[member]
        if pinned is None:
            planned = layout.validators[member]
            pin = Validator(planned[1:], planned[0] == "s") if planned else None
        else:
            pin = Validator(pinned.value, pinned.strong) if pinned.value else None
        return Pull(
            source=works.registry.for_entry(entry),
            url=entry.url,
            start=part.start,
            stop=part.stop,
            size=None if size == UNKNOWN else size,
            ranged=layout.traits[member] & Trait.RANGED != 0,
            pin=pin,
            released=pinned is not None or any(map(filled.__getitem__, places.parts_of(member))),
            clock=works.clock,
            patience=works.patience,
            tries=filling.tries(member),
            bounds=works.bounds,
            prefix=prefix,
            crc=crc,
            on_pin=self._pin,
        )

    def _pin(self, validator: Validator | None) -> None:
        """The representation that the member's bytes are of, noted before the first of them can be read."""
        member = self.part.member
        if member in self.filling.spool.pins or self.filling.places.traits[member] & Trait.HELD:
            return
        value, strong = ("", False) if validator is None else (validator.value, validator.strong)
        self.filling.spool.note(Pin(member, strong, value))
        self.filling.journalled()

    async def _whole(self) -> Data:
        kept = self.filling.bodies.pop(self.part.member, None)
        if kept is not None:
            return kept
        async with aclosing(self._pull(prefix=0, crc=0).chunks()) as chunks:
            received = [chunk async for chunk in chunks]
        return received[0] if len(received) == 1 else b"".join(received)

    # -- held --------------------------------------------------------------------------------------------

    async def _write_held(self, body: Data) -> None:
        filling, number, member = self.filling, self.part.number, self.part.member
        crc = isal_zlib.crc32(body)
        check_crc(filling, member, crc)
        places = filling.places
        await filling.placed(member)  # behind an open member, which may be longer in coming
        places.crcs[member] = crc
        filling.spool.write(places.offset(member), places.header(member, crc) + body)
        filling.extents.grow(number, len(body) - filling.extents.filled[number])
        filling.spool.commit(Extent(number, filling.extents.committed[number], len(body), crc))
        filling.settled[member] = 1

    # -- long --------------------------------------------------------------------------------------------

    async def _write_long(self) -> None:
        filling, number = self.filling, self.part.number
        extents, places, spool = filling.extents, filling.places, filling.spool
        position = extents.filled[number]
        at = places.bytes_start(self.part.member) + self.part.start
        pull, listing = self._pull(prefix=position, crc=extents.crcs[number]), None
        try:
            async with aclosing(pull.chunks()) as chunks:
                async for chunk in chunks:
                    await spool.room(at + position)
                    spool.write(at + position, chunk)
                    if listing is None:
                        # Without a strong validator only the copy can tell what this was: it is listed before anybody
                        # has it, for whatever `kill -9` takes back could be other bytes when it is pulled again.
                        weak = not filling.strong(self.part.member)
                        crc = extents.crcs[number]
                        listing = Listing(filling, number, start=position, crc=crc, at_once=weak)
                    listing.add(len(chunk), pull.crc)
                    landed, position = Chunk(position, chunk), position + len(chunk)
                    filling.wake(number, landed)
        finally:
            # What landed before a failure, or before the last reader left, stays.
            if listing is not None:
                listing.close()
        settle(filling, self.part.member)

    # -- open --------------------------------------------------------------------------------------------

    async def _write_open(self) -> None:
        filling = self.filling
        kept = filling.bodies.pop(self.part.member, None)
        if kept is not None:
            await self._write_open_held(kept)
            return
        # A compressed stream cannot be continued in its middle: it is made from its beginning, whatever is there of it.
        pull = self._pull(prefix=0, crc=0)
        async with aclosing(pull.chunks()) as chunks:
            head = bytearray()
            async for chunk in chunks:
                head += chunk
                if len(head) > HELD_LIMIT:
                    break
            else:
                await self._write_open_held(bytes(head))
                return
            await self._write_open_long(pull, _prepended(bytes(head), chunks))

    async def _write_open_held(self, body: bytes) -> None:
        filling, member = self.filling, self.part.member
        wanted = bool(filling.layout.traits[member] & Trait.DEFLATE)
        payload = await _in_thread(filling, deflate, body) if wanted else body
        traits = Trait.HELD
        if wanted and shrinks(body, payload):
            traits |= Trait.DEFLATE
        else:
            payload = body
        crc = isal_zlib.crc32(body)
        check_crc(filling, member, crc)
        self._check_sizes(len(body), len(payload))
        places = filling.places
        await filling.placed(member)
        extents, number = filling.extents, self.part.number
        known = extents.committed[number]
        check_begins(payload, known, extents.crcs[number])
        filling.works.bounds.check_archive(places.offset(member) + len(payload))
        places.crcs[member] = crc
        self._ended(traits, len(body), len(payload))
        filling.spool.write(places.offset(member), places.header(member, crc) + payload)
        extents.grow(number, len(payload) - known)
        if known < len(payload):
            filling.spool.commit(Extent(number, known, len(payload), isal_zlib.crc32(payload[known:])))
        self._list(Settled(member, traits, len(body), len(payload), crc))

    async def _write_open_long(self, pull: Pull, raw: AsyncGenerator[Data, None]) -> None:
        filling, number, member = self.filling, self.part.number, self.part.member
        places, extents, spool = filling.places, filling.extents, filling.spool
        first, raw = await _first_block(raw)
        frozen = Trait(filling.layout.traits[member])
        traits = Trait.DESCRIPTOR | (frozen & Trait.ZIP64)
        if frozen & Trait.DEFLATE and shrinks(first, await _in_thread(filling, deflate, first)):
            traits |= Trait.DEFLATE
        begun = Begun(member, int(traits))
        await self._begin(begun)
        at, whole = places.bytes_start(member), places.stored[member]
        position, crc = extents.committed[number], extents.crcs[number]
        due = whole == UNKNOWN and spool.begun.get(member) != begun
        listing = Listing(filling, number, start=position, crc=crc, at_once=not filling.strong(member))
        stream = deflated(raw, filling.works.pool, ahead=COMPRESS_AHEAD) if traits & Trait.DEFLATE else raw
        last = 0
        try:
            async with aclosing(stream), aclosing(beyond(stream, position, crc)) as blocks:
                async for block in blocks:
                    filling.works.bounds.check_archive(at + position + len(block))
                    await spool.room(at + position)
                    spool.write(at + position, block)
                    if due:  # with its first bytes: while there are none, it may still turn out to be another file
                        spool.note(begun)
                        due = False
                    landed = Chunk(position, block)
                    position, crc = position + len(block), isal_zlib.crc32(block, crc)
                    if UNKNOWN < whole <= position:  # its part would be done, before what it has was found to be right
                        last += len(block)
                        continue
                    listing.add(len(block), crc)
                    filling.wake(number, landed)
        finally:
            # As of other members: what landed before a failure stays, and what is made again must begin with it.
            listing.close()
        check_crc(filling, member, pull.crc)
        self._check_sizes(pull.position, position)
        if last:
            listing.add(last, crc)
            listing.close()
        places.crcs[member] = pull.crc
        zip64 = bool(traits & Trait.ZIP64)
        spool.write(at + position, data_descriptor(crc=pull.crc, size=pull.position, stored=position, zip64=zip64))
        self._ended(traits, pull.position, position)
        self._list(Settled(member, traits, pull.position, position, pull.crc))

    async def _begin(self, begun: Begun) -> None:
        """Put the member's header in its place, once that is known, and prove what is there of its bytes."""
        filling, number, member = self.filling, self.part.number, self.part.member
        places, spool = filling.places, filling.spool
        await filling.placed(member)
        if filling.extents.committed[number] and spool.begun.get(member, begun) != begun:
            raise OriginError("changed", "the file is not the one of which there are bytes already")
        places.traits[member] = begun.traits
        filling.take_begun(begun)
        spool.write(places.offset(member), places.header(member, 0))
        filling.begun[member] = 1
        await prove_part(filling, number)

    def _check_sizes(self, size: int, stored: int) -> None:
        places, member = self.filling.places, self.part.member
        if places.sizes[member] not in (UNKNOWN, size):
            raise OriginError("size_mismatch", f"the file has {size} bytes where {places.sizes[member]} were expected")
        if places.stored[member] not in (UNKNOWN, stored):
            raise Stale(f"{self.filling.layout.names[member]} no longer compresses to the bytes that it had")

    def _ended(self, traits: Trait, size: int, stored: int) -> None:
        filling, member = self.filling, self.part.member
        filling.places.settle(member, traits=int(traits), size=size, stored=stored)
        filling.extents.know_length(self.part.number, stored)

    def _list(self, settled: Settled) -> None:
        filling, member = self.filling, self.part.member
        filling.spool.note(settled)
        filling.begun[member] = filling.settled[member] = 1
        filling.wake_placing()


async def _in_thread(filling: Filling, work: Callable[[bytes], bytes], argument: bytes) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(filling.works.pool, work, argument)


async def _prepended(head: Data, chunks: AsyncIterator[Data]) -> AsyncGenerator[Data, None]:
    yield head
    async for chunk in chunks:
        yield chunk


async def _first_block(chunks: AsyncIterator[Data]) -> tuple[bytes, AsyncGenerator[Data, None]]:
    """The first whole block, by which the rule decides, and the stream with it put back: cuts of the network must not
    matter.
    """
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        if len(held) >= BLOCK:
            break
    return bytes(held[:BLOCK]), _prepended(bytes(held), chunks)
