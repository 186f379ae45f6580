"""One task that writes, so that many writers share one fsync (group commit).

While one transaction is being made durable, the changes that arrive wait; then all of them go into the next one. A
caller is answered after the commit that holds its change, never before.
"""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from streamzip.errors import NotReady
from streamzip.store.availability import Availability
from streamzip.store.faults import is_lost, is_passing, public_fault

T = TypeVar("T")
Change = Callable[[Connection], T]

BATCH = 256  # changes in one transaction: bounds how long the first of them waits for the last
AGAIN_AFTER: Final = (0.01, 0.05, 0.2)  # seconds, before a change is tried again that met another process's transaction


@dataclass(frozen=True, slots=True)
class _Waiting:
    change: Change[Any]
    answer: asyncio.Future[Any]


class Writer:
    """Applies changes one after another, in the order they came."""

    def __init__(self, engine: Engine, availability: Availability) -> None:
        self._engine = engine
        self._availability = availability
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(), name="store-writer")

    async def apply(self, change: Change[T]) -> T:
        """Run `change` in a transaction, in a thread, and return its result once that is durable.

        A change may be run again (alone, after one beside it failed; or after another process's transaction was in its
        way), so it must act on the database only. Raises what it raised; NotReady where the store cannot be written
        now; Damaged where the database is corrupt.
        """
        if self._task.done():
            raise NotReady("The store is closed.", code="store_unavailable", retry_after=5)
        async with self._availability.bounded():
            answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._queue.put_nowait(_Waiting(change, answer))
            return await answer

    async def close(self) -> None:
        """Finish what was accepted, then stop."""
        self._queue.put_nowait(None)
        await self._task
        self._thread.shutdown()

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
        run = asyncio.get_running_loop().run_in_executor(self._thread, self._transact, [each.change for each in batch])
        try:
            results = await run
        except _Spoiled:
            for waiting in batch:
                await self._commit([waiting])
            return
        except Exception as error:
            _fail(batch, error)
            return
        for waiting, result in zip(batch, results, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(result)

    def _transact(self, changes: list[Change[Any]]) -> list[Any]:
        for pause in AGAIN_AFTER:
            try:
                return self._attempt(changes)
            except DBAPIError as error:
                if not is_passing(error):
                    raise
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        return self._attempt(changes)

    def _attempt(self, changes: list[Change[Any]]) -> list[Any]:
        self._availability.check()
        try:
            with self._engine.begin() as connection:
                results = self._make(connection, changes)
        except DBAPIError as error:
            if is_lost(error):
                self._availability.lost()
            raise
        self._availability.confirm()
        return results

    def _make(self, connection: Connection, changes: list[Change[Any]]) -> list[Any]:
        try:
            return [change(connection) for change in changes]
        except Exception as error:
            lost = isinstance(error, DBAPIError) and is_lost(error)  # each alone would fail as well
            if len(changes) > 1 and not lost:
                raise _Spoiled from error
            raise


class _Spoiled(Exception):
    """One of several changes failed, and took the others with it."""


def _fail(batch: list[_Waiting], error: Exception) -> None:
    fault = public_fault(error) if isinstance(error, DBAPIError) else error
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(fault)
