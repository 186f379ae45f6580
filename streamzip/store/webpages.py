"""The web pages whose images are wanted: kept until somebody has asked what became of them, and after.

As with jobs, who works on one is in that process's memory alone, so that after a crash every unfinished one is due
again. A page goes with its archive; one that failed has none, and goes when it is old.
"""

import dataclasses
from typing import Final

from sqlalchemy import Connection, delete, insert

from streamzip.errors import Damaged
from streamzip.store.hiding import Hiding
from streamzip.store.queues import PAGES
from streamzip.store.reading import Reads
from streamzip.store.rows import WebpageRow
from streamzip.store.stored_queue import QueueSchema, StoredQueue
from streamzip.store.tables import webpages
from streamzip.store.wakes import Wakes
from streamzip.store.writer import Writer

BUILT = "built"
FAILED = "failed"

_SCHEMA: Final = QueueSchema(
    name=PAGES,
    row=WebpageRow,
    table=webpages,
    shares={"owner": webpages.c.owner, "origin": webpages.c.origin},
    joined=webpages,
    why=webpages.c.reason,
)


class Webpages(StoredQueue[WebpageRow]):
    """The pages by their ids. Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, reads: Reads, writer: Writer, hiding: Hiding, wakes: Wakes) -> None:
        super().__init__(_SCHEMA, reads, writer, wakes)
        self._hiding = hiding

    async def add(self, row: WebpageRow) -> None:
        """Keep a new one."""
        hidden = dataclasses.replace(row, url=self._hiding.hide(row.url))

        def change(connection: Connection) -> None:
            connection.execute(insert(webpages).values(**dataclasses.asdict(hidden)))
            self._wakes.wake(connection, PAGES, row.id, row.not_before)

        await self._writer.apply(change)

    async def get(self, id: str) -> WebpageRow | None:
        """Return what is known of it."""
        rows = await self._rows(_SCHEMA.select().where(webpages.c.id == id))
        return rows[0] if rows else None

    async def begun(self, row: WebpageRow) -> None:
        """Note that it waits for nothing more."""
        await self._note(row, reason=None)

    async def again(self, row: WebpageRow, *, not_before: float, reason: str) -> None:
        """Note that an attempt failed: try again from `not_before` (epoch s) on."""
        await self._note(row, attempts=webpages.c.attempts + 1, not_before=not_before, reason=reason)

    async def put_off(self, row: WebpageRow, *, not_before: float, reason: str) -> None:
        """Note that it gave up its slot: try again from `not_before` (epoch s) on."""
        await self._note(row, waits=webpages.c.waits + 1, not_before=not_before, reason=reason)

    async def built(self, row: WebpageRow, hash: str) -> None:
        """Note that its images are that archive. Raises NotFound where the archive is gone."""
        await self._note(row, state=BUILT, hash=hash)

    async def failed(self, row: WebpageRow, *, code: str, detail: str) -> None:
        """Note that it failed for good."""
        await self._note(row, state=FAILED, code=code, detail=detail)

    async def sweep(self, before: float) -> None:
        """Drop the failed ones that were asked for before that time (epoch s)."""

        def change(connection: Connection) -> None:
            old = delete(webpages).where(webpages.c.state == FAILED, webpages.c.created_at < before)
            connection.execute(old)

        await self._writer.apply(change)

    def _shown(self, row: WebpageRow) -> WebpageRow:
        return dataclasses.replace(row, url=self._hiding.show(row.url))

    async def _unreadable(self, row: WebpageRow, now: float) -> None:
        await self.failed(row, code=Damaged.code, detail="the page's URL cannot be read any more")
