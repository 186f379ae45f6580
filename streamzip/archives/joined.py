"""The same work for many askers, made once for those that come while it runs."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Joined(Generic[K, T]):
    """Does `work(key)` once for all who ask for the key while it runs; at most one at a time for each key.

    Whoever comes while it runs is given the result of the next run, which sees all that happened before they asked.
    """

    def __init__(self, work: Callable[[K], Awaitable[T]]) -> None:
        self._make = work
        self._runs: dict[K, list[asyncio.Task[T]]] = {}  # the one under way, and the one after it

    async def __call__(self, key: K) -> T:
        """Return what the work gives. Raises what it raises."""
        runs = self._runs.setdefault(key, [])
        if len(runs) < 2:
            task = asyncio.create_task(self._run(key, runs[0] if runs else None))
            task.add_done_callback(partial(self._ended, key))
            runs.append(task)
        return await asyncio.shield(runs[-1])

    async def _run(self, key: K, before: "asyncio.Task[T] | None") -> T:
        if before is not None:
            await asyncio.wait([before])
        return await self._make(key)

    def _ended(self, key: K, task: "asyncio.Task[T]") -> None:
        self._runs[key].remove(task)
        if not self._runs[key]:
            del self._runs[key]
        if not task.cancelled():
            task.exception()  # told to whoever waits; there may be nobody any more
