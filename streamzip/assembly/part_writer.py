"""How one part comes into the spool: pulled, checked, written to its place, journalled.

    held      a small member is pulled whole, then written with its header, which has its CRC and size
    long      each chunk is written as it lands; header before the first, descriptor after the last
    open      a member of unknown stored size, compressed or unsized; written at the frontier, where others are told
              that it has begun; when it has ended its place is known

Chunks may be read as soon as they are written; extents are journalled after their bytes (journal_writer.py).
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from isal import isal_zlib

from streamzip.assembly.intake import Intake
from streamzip.assembly.journal_writer import JournalWriter
from streamzip.assembly.kept import KeptBodies
from streamzip.assembly.pulling import Pulling
from streamzip.assembly.remaking import beyond, check_begins
from streamzip.assembly.signals import Chunk
from streamzip.errors import OriginError
from streamzip.manifest.model import Entry
from streamzip.origins.port import Validator
from streamzip.origins.pull import Pull, Tries
from streamzip.spans import Data
from streamzip.spool.journal import Begun, Ended, Extent, Pin
from streamzip.zip.deflate import BLOCK, deflate, deflated, shrinks
from streamzip.zip.layout import HELD_LIMIT, UNKNOWN, Trait
from streamzip.zip.offsets import Part
from streamzip.zip.records import data_descriptor

STREAMED = Trait.OPEN | Trait.DEFLATE
# Blocks of one member, 1 MiB each, that are being compressed or wait for it: with fewer, a core is idle whenever the
# event loop is busy with what the others gave.
COMPRESS_AHEAD = min(16, 2 * (os.cpu_count() or 1) + 2)


@dataclass(slots=True)
class PartWriter:
    """Pulls one part of an archive. `bodies`: small members whose bytes the probe has kept; `tries`: the member's."""

    intake: Intake
    pulling: Pulling
    bodies: KeptBodies
    part: Part
    entry: Entry
    tries: Tries

    async def write(self) -> None:
        """Have the part in the spool. Raises OriginError, Stale, or OSError from the disk."""
        ledger, member = self.intake.ledger, self.part.member
        traits = ledger.offsets.traits[member]
        if traits & STREAMED:
            await self._write_open()
        elif traits & Trait.HELD:
            await self._write_held()
        else:
            await self._write_long()
        if not ledger.strong(member):
            self.intake.flush()  # before anybody has any of it, as in JournalWriter
        self.intake.signals.wake(self.part.number)

    # -- the pull ----------------------------------------------------------------------------------------

    def _pull(self, *, prefix: int, crc: int) -> Pull:
        ledger, part, pulling = self.intake.ledger, self.part, self.pulling
        member, layout, offsets = part.member, ledger.layout, ledger.offsets
        pinned, filled = ledger.pins.get(member), ledger.extents.filled
        size = offsets.sizes[member]
        if pinned is None:
            planned = layout.validators[member]
            pin = Validator(planned[1:], planned[0] == "s") if planned else None
        else:
            pin = Validator(pinned.value, pinned.strong) if pinned.value else None
        return Pull(
            source=pulling.registry.for_entry(self.entry),
            url=self.entry.url,
            start=part.start,
            stop=part.stop,
            size=None if size == UNKNOWN else size,
            ranged=layout.traits[member] & Trait.RANGED != 0,
            pin=pin,
            released=pinned is not None or any(map(filled.__getitem__, offsets.parts_of(member))),
            clock=pulling.clock,
            patience=pulling.patience,
            tries=self.tries,
            bounds=pulling.bounds,
            prefix=prefix,
            crc=crc,
            on_pin=None if offsets.traits[member] & Trait.HELD else self._pin,
        )

    def _pin(self, validator: Validator | None) -> None:
        """Note the version that the member's bytes are of, before the first of them can be read."""
        ledger, member = self.intake.ledger, self.part.member
        if member in ledger.pins:
            return
        value, strong = ("", False) if validator is None else (validator.value, validator.strong)
        self.intake.append(Pin(member, strong, value))

    # -- held --------------------------------------------------------------------------------------------

    async def _write_held(self) -> None:
        intake, ledger, part, member = self.intake, self.intake.ledger, self.part.number, self.part.member
        body: Data | None = self.bodies.pop(member)
        if body is None:
            pull = self._pull(prefix=0, crc=0)
            body = await pull.whole()
            crc = pull.crc
        else:
            crc = isal_zlib.crc32(body)
        ledger.check_crc(member, crc)
        offsets = ledger.offsets
        if offsets.placed < member:  # behind an open member, which may be longer in coming
            await intake.placed(member)
        record = b"".join((offsets.header(member, crc), body, offsets.descriptor(member, crc)))
        intake.spool.write(offsets.offset(member), record)
        intake.append(Extent(part, ledger.extents.committed[part], len(body), crc))
        ledger.completed(member, crc)

    # -- long --------------------------------------------------------------------------------------------

    async def _write_long(self) -> None:
        intake, ledger, part, member = self.intake, self.intake.ledger, self.part.number, self.part.member
        extents, spool = ledger.extents, intake.spool
        position = extents.filled[part]
        at = ledger.offsets.bytes_start(member) + self.part.start
        pull, listing = self._pull(prefix=position, crc=extents.crcs[part]), None
        try:
            async with aclosing(pull.chunks()) as chunks:
                async for chunk in chunks:
                    await spool.room(at + position)
                    spool.write(at + position, chunk)
                    if listing is None:
                        listing = self._listing(position, extents.crcs[part])
                    listing.add(len(chunk), pull.crc)
                    landed, position = Chunk(position, chunk), position + len(chunk)
                    intake.signals.wake(part, landed)
        finally:
            # What landed before a failure, or before the last reader left, stays.
            if listing is not None:
                listing.close()
        intake.complete(member)

    def _listing(self, start: int, crc: int) -> JournalWriter:
        # Without a strong validator only the copy can tell what this was: it is listed before anybody has it, for
        # whatever `kill -9` takes back could be other bytes when it is pulled again.
        weak = not self.intake.ledger.strong(self.part.member)
        later = self.pulling.list_after
        return JournalWriter(self.intake, self.part.number, start=start, crc=crc, at_once=weak, list_after=later)

    # -- open --------------------------------------------------------------------------------------------

    async def _write_open(self) -> None:
        kept = self.bodies.pop(self.part.member)
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
        intake, ledger, part, member = self.intake, self.intake.ledger, self.part.number, self.part.member
        wanted = bool(ledger.layout.traits[member] & Trait.DEFLATE)
        payload = await self._in_thread(deflate, body) if wanted else body
        traits = Trait.HELD
        if wanted and shrinks(body, payload):
            traits |= Trait.DEFLATE
        else:
            payload = body
        crc = isal_zlib.crc32(body)
        ledger.check_crc(member, crc)
        ledger.check_sizes(member, len(body), len(payload))
        await intake.placed(member)
        offsets, extents = ledger.offsets, ledger.extents
        known = extents.committed[part]
        check_begins(payload, known, extents.crcs[part])
        self.pulling.bounds.check_archive(offsets.offset(member) + len(payload))
        header = offsets.header_as(member, traits=traits, size=len(body), stored=len(payload), crc=crc)
        intake.spool.write(offsets.offset(member), header + payload)
        ledger.landed(part, len(payload) - known)
        if known < len(payload):
            intake.append(Extent(part, known, len(payload), isal_zlib.crc32(payload[known:])))
        intake.append(Ended(member, int(traits), len(body), len(payload), crc))
        ledger.completed(member, crc)

    async def _write_open_long(self, pull: Pull, raw: AsyncGenerator[Data, None]) -> None:
        intake, ledger, part, member = self.intake, self.intake.ledger, self.part.number, self.part.member
        spool, bounds = intake.spool, self.pulling.bounds
        first, raw = await _first_block(raw)
        traits = await self._decided(first)
        begun = Begun(member, int(traits))
        await self._begin(begun)
        at, whole = ledger.offsets.bytes_start(member), ledger.offsets.stored[member]
        due = whole == UNKNOWN and ledger.listed_begun(member) != begun
        position, crc = ledger.extents.committed[part], ledger.extents.crcs[part]
        listing = self._listing(position, crc)
        stream = deflated(raw, self.pulling.pool, ahead=COMPRESS_AHEAD) if traits & Trait.DEFLATE else raw
        last = 0
        try:
            async with aclosing(stream), aclosing(beyond(stream, position, crc)) as blocks:
                async for block in blocks:
                    bounds.check_archive(at + position + len(block))
                    await spool.room(at + position)
                    spool.write(at + position, block)
                    if due:  # with its first bytes: while there are none, it may still turn out to be another file
                        intake.append(begun)
                        due = False
                    landed = Chunk(position, block)
                    position, crc = position + len(block), isal_zlib.crc32(block, crc)
                    if UNKNOWN < whole <= position:  # its part would be done, before what it has was found to be right
                        last += len(block)
                        continue
                    listing.add(len(block), crc)
                    intake.signals.wake(part, landed)
        finally:
            # As of other members: what landed before a failure stays, and what is made again must begin with it.
            listing.close()
        ledger.check_crc(member, pull.crc)
        ledger.check_sizes(member, pull.position, position)
        if last:
            listing.add(last, crc)
            listing.close()
        zip64 = bool(traits & Trait.ZIP64)
        spool.write(at + position, data_descriptor(crc=pull.crc, size=pull.position, stored=position, zip64=zip64))
        intake.append(Ended(member, int(traits), pull.position, position, pull.crc))
        ledger.completed(member, pull.crc)

    async def _decided(self, first: bytes) -> Trait:
        """Return the traits of an open member that is too long to be held, by its first block."""
        frozen = Trait(self.intake.ledger.layout.traits[self.part.member])
        traits = Trait.DESCRIPTOR | (frozen & Trait.ZIP64)
        if frozen & Trait.DEFLATE and shrinks(first, await self._in_thread(deflate, first)):
            traits |= Trait.DEFLATE
        return traits

    async def _begin(self, begun: Begun) -> None:
        """Put the member's header in its place, once that is known, and prove what is there of its bytes."""
        intake, ledger, part = self.intake, self.intake.ledger, self.part.number
        await intake.placed(begun.member)
        listed = ledger.listed_begun(begun.member)
        if ledger.extents.committed[part] and listed not in (None, begun):
            raise OriginError("changed", "the file is not the one of which there are bytes already")
        intake.begin(begun)
        await intake.prove(part)

    async def _in_thread(self, work: Callable[[bytes], bytes], argument: bytes) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self.pulling.pool, work, argument)


async def _prepended(head: Data, chunks: AsyncIterator[Data]) -> AsyncGenerator[Data, None]:
    yield head
    async for chunk in chunks:
        yield chunk


async def _first_block(chunks: AsyncIterator[Data]) -> tuple[bytes, AsyncGenerator[Data, None]]:
    """Return the first whole block, by which the rule decides, and the stream with it put back: where the network cut
    it must not matter.
    """
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        if len(held) >= BLOCK:
            break
    return bytes(held[:BLOCK]), _prepended(bytes(held), chunks)
