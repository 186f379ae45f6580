"""The web pages whose images are wanted: kept until somebody has asked what became of them, and after.

As with jobs, who works on one is in that process's memory alone, so that after a crash every unfinished one is due
again. A page goes with its archive; one that failed has none, and goes when it is old.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select, update

from streamzip.errors import Damaged
from streamzip.store.hiding import Hiding
from streamzip.store.queues import (
    NOTHING,
    PAGES,
    LeftOut,
    blocked,
    by_reason,
    in_shares,
    is_due,
    is_mine,
    is_waiting,
    next_due,
    take_up,
    withdrawn,
)
from streamzip.store.reading import Reads
from streamzip.store.rows import WebpageRow
from streamzip.store.statements import changed
from streamzip.store.tables import webpages
from streamzip.store.wakes import Wakes
from streamzip.store.writer import Writer

BUILT = "built"
FAILED = "failed"

_SHARED: Final = {"owner": webpages.c.owner, "origin": webpages.c.origin}
_COLUMNS = [webpages.c[field.name] for field in dataclasses.fields(WebpageRow)]


class Webpages:
    """The pages by their ids. Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, reads: Reads, writer: Writer, hiding: Hiding, wakes: Wakes) -> None:
        self._wakes = wakes
        self._reads = reads
        self._writer = writer
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
        rows = await self._rows(select(*_COLUMNS).where(webpages.c.id == id))
        return rows[0] if rows else None

    async def due(
        self,
        now: float,
        *,
        longest: float,
        limit: int,
        left_out: LeftOut = NOTHING,
        turns_below: int | None = None,
    ) -> list[WebpageRow]:
        """Return those whose time has come (see `is_due`), the longest waiting first, without those that are
        `left_out`, which the caller runs already: it claims none. `turns_below`: only those that had fewer turns.
        """
        query = select(*_COLUMNS).where(is_due(webpages, now, longest), _waiting(left_out))
        if turns_below is not None:
            query = query.where(webpages.c.waits + webpages.c.attempts < turns_below)
        rows = await self._reads.rows(query.order_by(webpages.c.not_before, webpages.c.id).limit(limit))
        found, lost = self._hiding.readable([WebpageRow(**row._mapping) for row in rows], self._shown)
        for row in lost:  # its key was taken out; what is behind it must not wait
            await self.failed(row, code=Damaged.code, detail="the page's URL cannot be read any more")
        return found

    async def next_due(self, left_out: LeftOut = NOTHING) -> float | None:
        """Return when the earliest of the others is due (epoch s, it may be past); None where nothing is queued."""
        return await next_due(self._reads, webpages, _waiting(left_out))

    async def withdrawn(self, ids: Collection[str]) -> list[str]:
        """Return those that are no longer to be read."""
        return await withdrawn(self._reads, webpages, ids)

    async def waiting(self, now: float, *, longest: float, left_out: LeftOut, no_room: bool) -> Mapping[str, int]:
        """Note why pages wait that are due, and return how many wait, by reason; see Jobs.waiting."""
        which, shared = is_waiting(webpages, left_out.ids), in_shares(_SHARED, left_out)
        due = which & is_due(webpages, now, longest)
        unsaid, note = blocked(webpages, webpages, due, shared, no_room=no_room)
        if await self._reads.rows(unsaid):
            await self._writer.apply(lambda connection: changed(connection, note))
        counted = select(webpages.c.reason, func.count()).where(which).group_by(webpages.c.reason)
        return by_reason(await self._reads.rows(counted))

    async def begun(self, row: WebpageRow) -> None:
        """Note that it waits for nothing more."""
        await self._set(row, reason=None)

    async def again(self, row: WebpageRow, *, not_before: float, reason: str) -> None:
        """Note that an attempt failed: try again from `not_before` (epoch s) on."""
        await self._set(row, attempts=webpages.c.attempts + 1, not_before=not_before, reason=reason)

    async def put_off(self, row: WebpageRow, *, not_before: float, reason: str) -> None:
        """Note that it gave up its slot: try again from `not_before` (epoch s) on."""
        await self._set(row, waits=webpages.c.waits + 1, not_before=not_before, reason=reason)

    async def built(self, row: WebpageRow, hash: str) -> None:
        """Note that its images are that archive. Raises NotFound where the archive is gone."""
        await self._set(row, state=BUILT, hash=hash)

    async def failed(self, row: WebpageRow, *, code: str, detail: str) -> None:
        """Note that it failed for good."""
        await self._set(row, state=FAILED, code=code, detail=detail)

    async def sweep(self, before: float) -> None:
        """Drop the failed ones that were asked for before that time (epoch s)."""

        def change(connection: Connection) -> None:
            old = delete(webpages).where(webpages.c.state == FAILED, webpages.c.created_at < before)
            connection.execute(old)

        await self._writer.apply(change)

    async def claim(self, id: str, now: float) -> WebpageRow | None:
        """Take the page up; None where it is not to be read now."""

        def change(connection: Connection) -> bool:
            return take_up(connection, webpages, id, now, reason=None)

        return await self.get(id) if await self._writer.apply(change) else None

    async def _set(self, row: WebpageRow, **values: Any) -> None:
        def change(connection: Connection) -> None:
            mine = update(webpages).where(is_mine(webpages, row)).values(**values)
            if changed(connection, mine) and "not_before" in values:
                self._wakes.wake(connection, PAGES, row.id, values["not_before"])

        await self._writer.apply(change)

    async def _rows(self, query: Select[Any]) -> list[WebpageRow]:
        return [self._shown(WebpageRow(**row._mapping)) for row in await self._reads.rows(query)]

    def _shown(self, row: WebpageRow) -> WebpageRow:
        return dataclasses.replace(row, url=self._hiding.show(row.url))


def _waiting(left_out: LeftOut) -> ColumnElement[bool]:
    return is_waiting(webpages, left_out.ids) & ~in_shares(_SHARED, left_out)
