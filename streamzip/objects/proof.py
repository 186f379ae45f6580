"""Whether a bucket can be used: it is there, all that is needed is allowed, and no other store uses it.

Two stores that shared a bucket would each take the other's objects for orphans. So the first gateway of a store leaves
the store's name there, where there is none: of two at the same time one does, which takes conditional writes.
"""

import asyncio
import secrets
from typing import Final

from streamzip.objects.port import Bucket, Missing, Refused

MARKER: Final = "streamzip-store"  # the key of the object that names the store
_WRITERS: Final = 4  # at the same time


async def prove(bucket: Bucket, store: str) -> None:
    """Prove that the bucket can be used by the store of that name, and leave the name there.

    Raises Refused, saying what is wrong, and Away.
    """
    # First of all: some servers make a bucket that is missing as soon as something is put into it.
    await _prove_lists(bucket)
    if not await is_of(bucket, store):
        await _prove_writes(bucket)
        await bucket.create(MARKER, store.encode())
        if not await is_of(bucket, store):
            raise Refused("another store uses it: name another bucket or prefix")


async def prove_rights(bucket: Bucket) -> None:
    """Prove that all that is needed is allowed there, and leave nothing. Raises Refused, Away."""
    await _prove_lists(bucket)
    await _prove_writes(bucket)


async def is_of(bucket: Bucket, store: str) -> bool:
    """Return whether the bucket names this store. Raises Refused, Away."""
    try:
        return bytes(await bucket.read(MARKER, 0, 100)) == store.encode()
    except Missing:
        return False


async def _prove_lists(bucket: Bucket) -> None:
    try:
        async for _ in bucket.listed():
            break
    except (Refused, Missing) as error:
        raise Refused(f"its objects cannot be listed ({error})") from error


async def _prove_writes(bucket: Bucket) -> None:
    key = f"probe-{secrets.token_hex(8)}"
    try:
        written = await asyncio.gather(*(bucket.create(key, b"%d" % number) for number in range(_WRITERS)))
        try:
            if sum(written) != 1:
                raise Refused(f"of {_WRITERS} that created it at once, {sum(written)} did: it knows no If-None-Match")
            if bytes(await bucket.read(key, 0, 1)) != b"%d" % written.index(True):
                raise Refused("it gives back other bytes than were put there")
        finally:
            await bucket.delete([key])
        if await bucket.size(key) is not None:
            raise Refused("what is deleted stays there")
    except Missing as error:
        raise Refused(f"what is put there cannot be read ({error})") from error
    except Refused as error:
        raise Refused(f"objects cannot be written, read and deleted ({error})") from error
