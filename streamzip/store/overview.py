"""What a status is made of, in pieces of bounded size, and whether any of it has changed."""

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Integer, Select, Text, bindparam, cast, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from streamzip.store.queues import QUEUED
from streamzip.store.reading import Reads
from streamzip.store.tables import archives, deliveries, documents, holdings, hooks, jobs, plans

AT_ONCE = 500  # archives in one query


class _items(GenericFunction[Any]):  # noqa: N801 - as SQL functions are called
    """The items of a JSON array, a row each."""

    name = "json_each"
    inherit_cache = True


@compiles(_items, "postgresql")
def _items_of_postgresql(element: _items, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements{compiler.function_argspec(element, **options)}"


_item = _items(plans.c.errors).table_valued("value", name="item", joins_implicitly=True)
_index = cast(_item.c.value.op("->>")("index"), Integer)
_of = plans.c.hash == bindparam("hash")
_count = select(func.json_array_length(plans.c.errors)).where(_of)
_page = select(cast(_item.c.value, Text)).select_from(plans, _item).where(_of, _index >= bindparam("first"))
_page = _page.order_by(_index).limit(bindparam("most"))
_warnings = select(plans.c.warnings).where(_of)
_codes = select(_item.c.value.op("->>")("code")).select_from(plans, _item).where(_of).distinct()


class Stamp(NamedTuple):
    """Facts of an archive that change with whatever its status is made of. Times in epoch s."""

    code: str | None
    completed_at: float | None
    expires_at: float | None
    job_due: float | None  # when its queued prefetch may begin
    job_state: str | None
    job_reason: str | None
    planned: bool
    receivers: int
    deliveries: int
    attempts: int | None
    delivered: float | None  # the latest time of any delivery
    held: float | None  # the latest time that any node said what it has of the archive


def _stamps() -> Select[Any]:
    of = archives.c.hash
    layouts = select(func.count()).where(documents.c.hash == of, documents.c.kind == "layout")
    told = [func.count(), func.sum(deliveries.c.attempts), func.max(deliveries.c.not_before)]
    return select(
        of,
        archives.c.code,
        archives.c.completed_at,
        archives.c.expires_at,
        select(func.min(jobs.c.not_before)).where(jobs.c.hash == of, jobs.c.state == QUEUED).scalar_subquery(),
        *(select(func.max(each)).where(jobs.c.hash == of).scalar_subquery() for each in (jobs.c.state, jobs.c.reason)),
        layouts.scalar_subquery(),
        select(func.count()).where(hooks.c.hash == of).scalar_subquery(),
        *(select(each).where(deliveries.c.hash == of).scalar_subquery() for each in told),
        select(func.max(holdings.c.noted_at)).where(holdings.c.hash == of).scalar_subquery(),
    ).where(of.in_(bindparam("hashes", expanding=True)))


_stamped = _stamps()


class Overview:
    """Every method may raise errors.NotReady and errors.Damaged."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def ping(self) -> None:
        """Read one row, or raise as any method does: the store answers."""
        await self._reads.rows(select(archives.c.hash).limit(1))

    async def left_out(self, hash: str, *, first: int = 0, most: int) -> tuple[int, list[Mapping[str, Any]]]:
        """Return how many entries were left out, and the records of at most `most` of them, by their index from `first`
        on, as `set_errors` kept them.
        """
        counted = await self._reads.rows(_count, hash=hash)
        if not counted or not counted[0][0]:
            return 0, []
        found = await self._reads.rows(_page, hash=hash, first=first, most=most)
        return counted[0][0], [json.loads(row[0]) for row in found]

    async def warnings(self, hash: str) -> list[Mapping[str, Any]]:
        """Return what is odd about entries that are in the archive."""
        rows = await self._reads.rows(_warnings, hash=hash)
        return list(rows[0][0] or ()) if rows else []

    async def codes(self, hash: str) -> frozenset[str]:
        """Return the codes of the entries that were left out."""
        return frozenset(row[0] for row in await self._reads.rows(_codes, hash=hash))

    def version(self) -> object | None:
        """Return what is another after any commit; None where that cannot be told without asking."""
        return self._reads.version()

    async def stamps(self, hashes: Collection[str]) -> dict[str, Stamp]:
        """Return the stamps of those archives that there are."""
        every = list(hashes)
        found: dict[str, Stamp] = {}
        for start in range(0, len(every), AT_ONCE):
            for row in await self._reads.rows(_stamped, hashes=every[start : start + AT_ONCE]):
                found[row[0]] = Stamp._make(row[1:])
        return found
