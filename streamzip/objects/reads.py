"""Reading an object in proven runs: nothing is given out that does not agree with its block's CRC."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from typing import Final, Protocol

from streamzip.objects.content import Blocks
from streamzip.objects.port import Bucket, BucketError
from streamzip.spans import Data

READ_WITHIN: Final = 8.0  # seconds for one read, however slowly its bytes come
_LARGEST: Final = 8 << 20  # bytes of one read
_RUN: Final = 256 << 10  # bytes that are given on at once


class ObjectLost(Exception):
    """The object gave no right bytes from here on."""


class ReadMemory(Protocol):
    """The memory that all readers share."""

    @property
    def share(self) -> int:
        """Return the bytes that one reader may hold now."""

    def shared(self) -> AbstractContextManager[None]:
        """Count one more reader, for as long as the context lasts."""


class ObjectReads:
    """Reads the objects of one bucket, through `memory`."""

    def __init__(self, bucket: Bucket, memory: ReadMemory) -> None:
        self._bucket = bucket
        self._memory = memory

    async def read(self, content: Blocks, start: int, stop: int) -> AsyncGenerator[Data, None]:
        """Give the bytes `[start, stop)` of the object, all of them proven. Raises ObjectLost, before a wrong byte."""
        with self._memory.shared():
            ahead = asyncio.create_task(self._read(content, start, min(stop, start + 1)))
            try:
                while start < stop:
                    first, data = await ahead
                    end = min(stop, first + len(data))
                    if end < stop:
                        # The first read is a small one, so that it begins soon; then each as long as two may be held.
                        length = max(content.block, min(_LARGEST, self._memory.share // 2, 4 * len(data)))
                        ahead = asyncio.create_task(self._read(content, end, min(stop, end + length)))
                    while start < end:
                        run = data[start - first : min(end, start + _RUN) - first]
                        start += len(run)
                        yield run
            finally:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    async def _read(self, content: Blocks, start: int, stop: int) -> tuple[int, memoryview]:
        span = content.around(start, stop - start)
        try:
            async with asyncio.timeout(READ_WITHIN):
                data = memoryview(await self._bucket.read(content.key, *span))
        except (BucketError, TimeoutError) as error:
            raise ObjectLost(str(error) or "it did not come in time") from error
        if not content.agrees(span, data):
            raise ObjectLost("its bytes are not those that were put there")
        return span.start, data
