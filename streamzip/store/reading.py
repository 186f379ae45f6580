"""Queries on the readers' connections, each in one step of a thread."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine, Row, Select
from sqlalchemy.exc import DBAPIError

from streamzip.store.faults import public_fault


class Reads:
    """Each query sees every commit that was acknowledged before it began. `threads`: of them run at once."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store-reader")

    async def rows(self, query: Select[Any], **values: Any) -> Sequence[Row[Any]]:
        """All rows of the query; `values` stand for its parameters. Raises NotReady or Damaged (faults.py)."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, query, values)
        except DBAPIError as error:
            raise public_fault(error) from error

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(cancel_futures=True)

    def _read(self, query: Select[Any], values: dict[str, Any]) -> Sequence[Row[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(query, values).all()
