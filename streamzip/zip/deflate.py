"""Deflate whose bytes depend on the content alone: not on how the network cut it, nor on how many cores there are.

Input is cut into fixed blocks, each compressed from a fresh state in a thread and ended by Z_SYNC_FLUSH, the last by
Z_FINISH; put one after another they are one deflate stream (RFC 1951 §3.2.3). isal's own output differs with how its
input was fed (tried: five cuts, five outputs); the blocks cost 0.1 % in size and let one member use every core.
"""

import asyncio
import hashlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import Executor
from functools import cache

from isal import isal_zlib

from streamzip.spans import Data

BLOCK = 1 << 20
LEVEL = 2  # 11–19 × zlib level 6 at +2 to +15 % size; level 0 grows random data by 23 % and is never used
SHRINKS_BELOW = 0.97  # a first block that keeps more than this is not worth a reader's time to inflate


def deflate_block(block: bytes, last: bool) -> bytes:
    """Return one block as raw deflate; releases the interpreter lock."""
    compressor = isal_zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(block) + compressor.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def deflate(content: bytes) -> bytes:
    """Return all of a small content at once, the same bytes as `deflated` gives."""
    blocks = [content[start : start + BLOCK] for start in range(0, len(content), BLOCK)] or [b""]
    return b"".join(deflate_block(block, last=index == len(blocks) - 1) for index, block in enumerate(blocks))


def shrinks(block: bytes, compressed: bytes) -> bool:
    """Return whether the rule compresses a member that begins with this block."""
    return len(compressed) < len(block) * SHRINKS_BELOW


def compressor_identity() -> str:
    """Return the digest of the compressor's output on a fixed sample: another release may compress to other bytes."""
    sample = b"".join(b"%d,%x,streamzip\n" % (number, number * 2654435761 % 4294967296) for number in range(20000))
    return hashlib.sha256(deflate(sample)).hexdigest()[:16]


@cache
def this_compressor() -> str:
    """Return the identity of the compressor here: worked out once, in some 10 ms, as it stays while the process
    lives.
    """
    return compressor_identity()


async def deflated(chunks: AsyncIterator[Data], pool: Executor, *, ahead: int) -> AsyncGenerator[bytes, None]:
    """Yield the chunks as one raw deflate stream; up to `ahead` blocks are compressed at the same time.

    A block is given as soon as it is compressed, also while the next chunk is long in coming.
    """
    running: asyncio.Queue[asyncio.Future[bytes] | None] = asyncio.Queue()
    free = asyncio.Semaphore(ahead)
    feeding = asyncio.create_task(_feed(chunks, pool, running, free))
    try:
        while (block := await running.get()) is not None:
            compressed = await block
            free.release()
            yield compressed
        await feeding  # what it raised comes after all that was whole before it
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        while not running.empty():
            if (block := running.get_nowait()) is not None:
                block.cancel()


async def _feed(
    chunks: AsyncIterator[Data],
    pool: Executor,
    running: asyncio.Queue[asyncio.Future[bytes] | None],
    free: asyncio.Semaphore,
) -> None:
    """Have the chunks compressed in blocks, each as soon as one is `free`, and put them into `running`, in order; None
    at the end.
    """
    loop = asyncio.get_running_loop()
    held: list[Data] = []
    size = 0
    try:
        async for chunk in chunks:
            rest = memoryview(chunk)
            # The last block is not known before the end, so a full one waits for the byte after it.
            while size + len(rest) > BLOCK:
                block = b"".join((*held, rest[: BLOCK - size]))
                rest, held, size = rest[BLOCK - size :], [], 0
                await free.acquire()
                running.put_nowait(loop.run_in_executor(pool, deflate_block, block, False))
            held.append(rest)
            size += len(rest)
        await free.acquire()
        running.put_nowait(loop.run_in_executor(pool, deflate_block, b"".join(held), True))
    finally:
        running.put_nowait(None)
