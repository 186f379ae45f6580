"""One task that writes, so that many writers share one fsync (group commit).

While one transaction is being made durable, the changes that arrive wait; then all of them go into the next one. A
caller is answered after the commit that holds its change, never before.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from streamzip.errors import NotReady
from streamzip.store.faults import public_fault

T = TypeVar("T")
Change = Callable[[AsyncConnection], Awaitable[T]]

BATCH = 256  # changes in one transaction: bounds how long the first of them waits for the last


@dataclass(frozen=True, slots=True)
class _Waiting:
    change: Change[Any]
    answer: asyncio.Future[Any]


class Writer:
    """Applies changes one after another, in the order they came."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(), name="store-writer")

    async def apply(self, change: Change[T]) -> T:
        """Run `change` in a transaction and return its result once that is durable.

        A change may be run twice (alone, after one beside it failed), so it must act on the database only. Raises what
        it raised; NotReady where the store cannot be written now; Damaged where the database is corrupt.
        """
        if self._task.done():
            raise NotReady("The store is closed.", code="store_unavailable", retry_after=5)
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Waiting(change, answer))
        return await answer

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        self._queue.put_nowait(None)
        await self._task

    async def _run(self) -> None:
        while (first := await self._queue.get()) is not None:
            batch = [first]
            last = False
            while not last and len(batch) < BATCH and not self._queue.empty():
                following = self._queue.get_nowait()
                if following is None:
                    last = True
                else:
                    batch.append(following)
            await self._commit(batch)
            if last:
                return

    async def _commit(self, batch: list[_Waiting]) -> None:
        """Make the batch durable; where one change fails, each is tried alone, so that it fails alone."""
        batch = [waiting for waiting in batch if not waiting.answer.done()]  # the others' callers were cancelled
        spoiled = False
        try:
            async with self._engine.begin() as connection:
                try:
                    results = [await waiting.change(connection) for waiting in batch]
                except Exception:
                    spoiled = len(batch) > 1
                    raise
        except Exception as error:
            if spoiled:
                for waiting in batch:
                    await self._commit([waiting])
            else:
                _fail(batch, error)
            return
        for waiting, result in zip(batch, results, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(result)


def _fail(batch: list[_Waiting], error: Exception) -> None:
    fault = public_fault(error) if isinstance(error, DBAPIError) else error
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(fault)
