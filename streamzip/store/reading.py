"""Queries on the readers' connections."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.exc import DBAPIError, TimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from streamzip.errors import NotReady
from streamzip.store.faults import public_fault


class Reads:
    """Each query sees every commit that was acknowledged before it began."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        """All rows of the query. Raises NotReady or Damaged (faults.py)."""
        try:
            async with self._engine.connect() as connection:
                rows: Sequence[Row[Any]] = (await connection.execute(query)).all()
                return rows
        except TimeoutError as error:  # every reader's connection was busy for 30 s
            raise NotReady("The store is overloaded; try again.", code="store_unavailable", retry_after=5) from error
        except DBAPIError as error:
            raise public_fault(error) from error
