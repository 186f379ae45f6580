"""Notices by PostgreSQL's LISTEN and NOTIFY: heard within milliseconds, and lost with a connection.

Its own connection, asynchronous where all others are threads': it waits for as long as the gateway lives, and would
hold a thread for that. Whoever was away, or paused, is told to look for itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import psycopg
from sqlalchemy import Connection, text

CHANNEL: Final = "streamzip"
LOOK_EVERY: Final = 5.0  # seconds; a paused node, and one whose connection is dead and does not know it, look so often
ANSWERS_WITHIN: Final = 5.0
AGAIN_AFTER: Final = 1.0  # seconds, before the next attempt at a server that is away

_NOTIFY = text(f"SELECT pg_notify('{CHANNEL}', :hash)")


class PostgresqlNotices:
    """See store.notices.Notices. `parameters`: of the connection, by libpq's names."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def tell(self, connection: Connection, archive_hash: str) -> None:
        """See Notices."""
        connection.execute(_NOTIFY, {"hash": archive_hash})

    async def heard(self) -> AsyncGenerator[str | None, None]:
        """See Notices. A database with several stores tells the gateways of all of them: a look costs them little."""
        while True:
            with contextlib.suppress(psycopg.Error, OSError, TimeoutError):
                async with await psycopg.AsyncConnection.connect(**self._parameters, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    while True:
                        yield None
                        async for notice in connection.notifies(timeout=LOOK_EVERY):
                            yield notice.payload
                        async with asyncio.timeout(ANSWERS_WITHIN):
                            await connection.execute(b"SELECT 1")
            yield None
            await asyncio.sleep(AGAIN_AFTER)
