"""Work that blocks, a run of bytes at a time, in threads: a disk may take its time, and the loop may not."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Executor


async def in_threads(runs: Generator[bytes, None, None], pool: Executor) -> AsyncGenerator[bytes, None]:
    """The runs that are not empty, each made in a thread of `pool`; empty ones only give way to cancellation.

    However it ends, no thread is in the generator afterwards, and it is closed.
    """
    loop = asyncio.get_running_loop()
    making: asyncio.Future[bytes | None] | None = None
    try:
        while True:
            making = loop.run_in_executor(pool, next, runs, None)
            run = await asyncio.shield(making)
            if run is None:
                return
            if run:
                yield run
    finally:
        # What the run is read from is closed next: its number could by then be another file's.
        while making is not None and not making.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((making,))
        runs.close()
