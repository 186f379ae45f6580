"""Work that blocks, in threads: a disk may take its time, a long list too, and the loop may not."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")

# Whole lists are worked on in threads of their own: a few long ones would fill asyncio's, and with them every short
# work on a file. More than two at once would only take the interpreter from the loop.
_LONG: Final = ThreadPoolExecutor(2, thread_name_prefix="long")


async def in_long_thread(work: Callable[[], T]) -> T:
    """Return what work on a whole list gives, done in one of the threads for that alone."""
    return await asyncio.get_running_loop().run_in_executor(_LONG, work)


async def in_threads(runs: Generator[bytes, None, None], pool: Executor) -> AsyncGenerator[bytes, None]:
    """Yield the runs that are not empty, each made in a thread of `pool`; empty ones only give way to cancellation.

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
