"""What is there of a member is proven before it is used: extents by their CRCs, the whole by the expected one."""

import asyncio

from streamzip.archive.filling import Filling
from streamzip.errors import OriginError, Stale
from streamzip.spool.journal import Drop
from streamzip.zip.layout import UNKNOWN, Trait


async def prove_part(filling: Filling, number: int) -> None:
    """Check what an earlier life left of the part before it is used; what does not agree with its CRC is dropped and
    pulled again.
    """
    extents, places = filling.extents, filling.places
    if extents.proven[number] >= extents.committed[number]:
        return
    if filling.spool.sealed:  # all of it was proven, and the file is that one
        extents.proven[number] = extents.committed[number]
        return
    part = places.part(number)
    if places.placed < part.member or (places.traits[part.member] & Trait.OPEN and not filling.begun[part.member]):
        return
    proof = filling.proofs.get(number)
    if proof is None:
        # One at a time: a second one, late, would drop what is being pulled in place of what the first one dropped.
        at = places.bytes_start(part.member) + part.start
        proof = filling.proofs[number] = asyncio.create_task(_prove(filling, number, at))
        proof.add_done_callback(lambda _: filling.proofs.pop(number))
    await asyncio.shield(proof)


async def _prove(filling: Filling, number: int, at: int) -> None:
    extents = filling.extents
    drop = await asyncio.get_running_loop().run_in_executor(filling.works.pool, filling.spool.prove, number, at)
    if extents.proven[number] >= extents.committed[number]:
        return  # another process has found it so meanwhile, and has mended it
    if drop is None:
        extents.proven[number] = extents.committed[number]
        return
    member = filling.places.member_of(number)
    if not filling.replaceable(member):
        raise Stale(f"what was given out of {filling.layout.names[member]} is damaged here; create the archive anew")
    filling.spool.drop(drop)
    filling.journalled()


def check_crc(filling: Filling, member: int, crc: int) -> None:
    """The member's CRC must be the one that was given with the entry, or that an earlier pass learned."""
    expected = filling.places.crcs[member]
    if expected in (UNKNOWN, crc):
        return
    if filling.layout.crcs[member] == expected:
        raise OriginError("crc_mismatch", f"the file's CRC-32 is {crc:08x} where {expected:08x} was given")
    raise Stale(f"{filling.layout.names[member]} is not the file that it was when the archive was first built")


def settle(filling: Filling, member: int) -> bool:
    """Where all of the member's bytes are there and proven: learn its CRC, and put its header and descriptor into the
    file.

    False where something is missing still. A CRC that is not the expected one raises, and the member's bytes are
    dropped.
    """
    extents, places = filling.extents, filling.places
    parts = places.parts_of(member)
    if filling.settled[member]:
        return True
    if not filling.done(member) or any(extents.proven[number] < extents.committed[number] for number in parts):
        return False
    traits = places.traits[member]
    crc = max(places.crcs[member], 0)
    if parts and not traits & Trait.DEFLATE and member not in filling.assumed:
        crc = extents.member_crc(parts)
        try:
            check_crc(filling, member, crc)
        except (OriginError, Stale) as error:
            for number in parts:
                filling.spool.drop(Drop(number, 0))
            filling.journalled()
            if filling.released and isinstance(error, OriginError) and not filling.strong(member):
                # Pulled again it could have the right CRC, and be spliced to what was given out.
                raise Stale(
                    f"{filling.layout.names[member]}: {error.message}, after bytes of it were given out"
                ) from error
            raise
    places.crcs[member] = crc
    if not filling.spool.sealed:  # a sealed file has it all, and a write would break the seal
        header, descriptor = places.header(member, crc), places.descriptor(member, crc)
        body = filling.layout.report if traits & Trait.REPORT else b""
        filling.spool.write(places.offset(member), header + body)
        if descriptor:
            filling.spool.write(places.end(member) - len(descriptor), descriptor)
    filling.settled[member] = filling.begun[member] = 1
    return True
