"""A stream of bytes that is made again from its beginning, because it cannot be continued in its middle.

What is there of it already is compared and left as it is; only what comes after it is new.
"""

from collections.abc import AsyncGenerator, AsyncIterator

from isal import isal_zlib

from streamzip.errors import OriginError
from streamzip.spans import Data


async def beyond(blocks: AsyncIterator[Data], known: int, crc: int) -> AsyncGenerator[Data, None]:
    """Yield what comes after the first `known` bytes, whose CRC-32 is `crc`.

    OriginError where those are others now, or fewer, before anything that lies beyond them is given.
    """
    position = again = 0
    async for received in blocks:
        block = received
        if position < known:
            same = block[: known - position]
            again = isal_zlib.crc32(same, again)
            position += len(same)
            if position == known:
                _compare(again, crc)
            block = block[len(same) :]
            if not block:
                continue
        yield block
    if position < known:
        raise _changed()


def check_begins(whole: Data, known: int, crc: int) -> None:
    """Raise OriginError unless the whole begins with `known` bytes of this CRC-32."""
    if known > len(whole):
        raise _changed()
    _compare(isal_zlib.crc32(whole[:known]), crc)


def _compare(again: int, crc: int) -> None:
    if again != crc:
        raise _changed()


def _changed() -> OriginError:
    return OriginError("changed", "the file is not the one of which there are bytes already")
