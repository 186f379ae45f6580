"""Queries on the readers' connections, each in one step of a thread."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine, Executable, Row
from sqlalchemy.exc import DBAPIError

from streamzip.store.availability import Availability
from streamzip.store.faults import is_lost, public_fault


class Reads:
    """Each query sees every commit that was acknowledged before it began. `threads`: of them run at once."""

    def __init__(self, engine: Engine, threads: int, availability: Availability) -> None:
        self._engine = engine
        self._availability = availability
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store-reader")

    async def rows(self, query: Executable, **values: Any) -> Sequence[Row[Any]]:
        """Return all rows of the query; `values` stand for its parameters. Raises NotReady or Damaged (faults.py)."""
        # Nothing stored holds a NUL: PostgreSQL takes none in a text, not even to look for it.
        if any(isinstance(value, str) and "\0" in value for value in values.values()):
            return []
        try:
            async with self._availability.bounded():
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, query, values)
        except DBAPIError as error:
            raise public_fault(error) from error

    def version(self) -> object | None:
        """Return what is another after any commit; None where that cannot be told without asking."""
        return self._availability.version()

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(cancel_futures=True)

    def _read(self, query: Executable, values: dict[str, Any]) -> Sequence[Row[Any]]:
        self._availability.check()  # found out while this query waited for its thread
        try:
            with self._engine.connect() as connection:
                return connection.execute(query, values).all()
        except DBAPIError as error:
            if is_lost(error):
                self._availability.lost()
            raise
