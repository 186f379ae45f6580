"""Who wants to be told of an archive, and what is still to be told: kept until it was told or given up.

An event is written with the change that it tells of, in one transaction: a crash loses both or neither. As with jobs,
who is delivering is in that process's memory alone, so that after a crash every unfinished delivery is due again.
"""

import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from sqlalchemy import Connection, case, delete, exists, func, insert, select, update

from streamzip.errors import FieldError, InvalidRequest, NotFound
from streamzip.store import taken
from streamzip.store.hiding import Hiding
from streamzip.store.queues import DELIVERIES, QUEUED, LeftOut
from streamzip.store.reading import Reads
from streamzip.store.rows import DeliveryRow, Event
from streamzip.store.statements import InsertAbsent
from streamzip.store.stored_queue import QueueSchema, StoredQueue
from streamzip.store.tables import archives, deliveries, gone_receivers, hooks
from streamzip.store.wakes import Wakes
from streamzip.store.writer import Writer
from streamzip.urls.urls import origin_of

DELIVERED = "delivered"
FAILED = "failed"
GONE = "gone"

MOST_FORGOTTEN: Final = 1000  # receivers, in one sweep
MOST_HOOKS = 16  # of one archive: each repeated create may name another, and each gets the whole event

# A client's receiver at the operator's own host takes none of the operator's share.
_client = deliveries.c.predefined.is_(False)
_SCHEMA: Final = QueueSchema(
    name=DELIVERIES,
    row=DeliveryRow,
    table=deliveries,
    shares={
        "operator": case((_client, None), else_="all"),
        "clients": case((_client, "all")),
        "receiver": case((_client, deliveries.c.receiver)),
        "owner": case((_client, deliveries.c.owner)),
        "again": case((_client & (deliveries.c.attempts > 0), "all")),
    },
    joined=deliveries,
    why=deliveries.c.outcome,
)
_add_delivery = InsertAbsent(deliveries)
_add_gone = InsertAbsent(gone_receivers)


class Deliveries(StoredQueue[DeliveryRow]):
    """One delivery for an archive's event and receiver. Every method may raise errors.NotReady and errors.Damaged.

    The shares are those of the operator's receiver (`operator`), of all others (`clients`), of one of these
    (`receiver`), of one owner's, and of those that failed before (`again`).
    """

    _TAKEN_UP: ClassVar[Mapping[str, Any]] = {}  # it keeps saying how its last attempt ended

    def __init__(self, reads: Reads, writer: Writer, hiding: Hiding, wakes: Wakes) -> None:
        super().__init__(_SCHEMA, reads, writer, wakes)
        self._hiding = hiding
        self._operators: str | None = None  # its receiver, told of every archive

    async def add_hook(self, hash: str, url: str) -> None:
        """Tell `url` of the archive's events from now on, also where it had wanted no more of them before.

        Raises NotFound where the archive is gone, InvalidRequest where it has as many receivers as it may.
        """
        forms = self._hiding.forms(url)

        def change(connection: Connection) -> None:
            # Locked, as by whoever makes an event of it: either the event finds the receiver, or whoever subscribes it
            # finds the event.
            archive = select(archives.c.hash).where(archives.c.hash == hash).with_for_update()
            if connection.execute(archive).first() is None:
                raise NotFound("No such archive.")
            connection.execute(delete(gone_receivers).where(gone_receivers.c.url.in_(forms)))
            there = select(hooks.c.url).where(hooks.c.hash == hash, hooks.c.url.in_(forms))
            if connection.execute(there).first() is None:
                connection.execute(insert(hooks).values(hash=hash, url=forms[0]))
                taken.add(connection, hash, len(forms[0]))
                count = select(func.count()).select_from(hooks).where(hooks.c.hash == hash)
                if connection.execute(count).scalar_one() > MOST_HOOKS:
                    raise InvalidRequest([FieldError("/webhook", f"this archive has {MOST_HOOKS} receivers already")])

        await self._writer.apply(change)

    async def tell(self, hash: str, url: str, event: Event) -> None:
        """Queue the event for that receiver, or anew where an earlier delivery of it has ended."""
        forms = self._hiding.forms(url)

        def change(connection: Connection) -> None:
            self._queue(connection, hash, event, url)
            ended = (deliveries.c.hash == hash) & (deliveries.c.type == event.type) & deliveries.c.url.in_(forms)
            again = update(deliveries).where(ended, deliveries.c.state != QUEUED)
            body = self._hiding.hide_body(event.body)
            anew = again.values(state=QUEUED, attempts=0, not_before=event.at, body=body).returning(deliveries.c.id)
            for id in connection.execute(anew).scalars().all():
                self._wakes.wake(connection, DELIVERIES, id, event.at)

        await self._writer.apply(change)

    async def accept_again(self, url: str) -> None:
        """Tell the operator's receiver again, also where it wanted no more: the operator says so."""
        self._operators = url
        await self._apply(delete(gone_receivers).where(gone_receivers.c.url.in_(self._hiding.forms(url))))

    async def waiting(self, now: float, *, longest: float, left_out: LeftOut, no_room: bool) -> Mapping[str, int]:
        """Return how many wait, by what became of their last attempt: nothing is noted, for each says so already."""
        return await self._counted(left_out)

    async def ended(self, row: DeliveryRow, *, state: str, at: float, outcome: str) -> None:
        """Note that it was delivered or given up."""
        values = {"state": state, "outcome": outcome, "attempts": deliveries.c.attempts + 1}
        await self._note(row, **values, not_before=at)

    async def again(self, row: DeliveryRow, *, not_before: float, outcome: str) -> None:
        """Note that an attempt failed; the next one may be made from `not_before` (epoch s) on."""
        await self.ended(row, state=QUEUED, at=not_before, outcome=outcome)

    async def gone(self, url: str, *, at: float) -> None:
        """Note that the receiver wants no more: what waits for it is ended, and nothing new is queued for it."""
        forms = self._hiding.forms(url)

        def change(connection: Connection) -> None:
            _add_gone(connection, {"url": forms[0]})
            waiting = deliveries.c.url.in_(forms) & (deliveries.c.state == QUEUED)
            connection.execute(update(deliveries).where(waiting).values(state=GONE, not_before=at))

        await self._writer.apply(change)

    async def of(self, hash: str) -> Sequence[DeliveryRow]:
        """Return every delivery of an archive's events, the oldest first."""
        query = _SCHEMA.select().where(deliveries.c.hash == hash)
        return await self._rows(query.order_by(deliveries.c.created_at, deliveries.c.id))

    async def hooks(self, hash: str) -> Sequence[str]:
        """Return the receivers that creates named for the archive."""
        rows = await self._reads.rows(select(hooks.c.url).where(hooks.c.hash == hash))
        return [self._hiding.show(row.url) for row in rows]

    async def forget(self, hash: str) -> None:
        """Drop all deliveries of an archive that its owner deleted."""
        await self._apply(delete(deliveries).where(deliveries.c.hash == hash))

    async def sweep(self) -> None:
        """Drop the ended deliveries of archives that are no more, and what is known of receivers that none names any
        more: each create may name another one, and a receiver says itself that it wants no more.
        """
        kept = exists().where(archives.c.hash == deliveries.c.hash)
        await self._apply(delete(deliveries).where(deliveries.c.state != QUEUED, ~kept))
        named = exists().where(hooks.c.url == gone_receivers.c.url)
        rows = await self._reads.rows(select(gone_receivers.c.url).where(~named).limit(MOST_FORGOTTEN))
        found, lost = self._hiding.readable([row.url for row in rows], self._hiding.show)
        for url in {*found} - {self._operators}:
            await self._forget_gone(self._hiding.forms(url))
        await self._forget_gone(lost)

    async def _forget_gone(self, forms: Sequence[str]) -> None:
        """Forget that a receiver wanted no more, unless an archive names it in one of these forms."""
        named = exists().where(hooks.c.url.in_(forms))
        await self._apply(delete(gone_receivers).where(gone_receivers.c.url.in_(forms), ~named))

    def queue_event(self, connection: Connection, hash: str, event: Event) -> None:
        """Queue the event for everybody who is to be told, as part of a larger change; once for each of them.

        That change has locked or changed the archive's row before, so that no receiver is added meanwhile.
        """
        urls = {
            self._hiding.show(url)
            for url in connection.execute(select(hooks.c.url).where(hooks.c.hash == hash)).scalars()
        }
        if event.predefined is not None:
            urls.add(event.predefined)
        for url in sorted(urls):
            self._queue(connection, hash, event, url)

    def _queue(self, connection: Connection, hash: str, event: Event, url: str) -> None:
        forms = self._hiding.forms(url)
        if connection.execute(select(gone_receivers.c.url).where(gone_receivers.c.url.in_(forms))).first() is not None:
            return
        same = (deliveries.c.hash == hash) & (deliveries.c.type == event.type) & deliveries.c.url.in_(forms)
        if connection.execute(select(deliveries.c.id).where(same)).first() is not None:  # under an older key, perhaps
            return
        row: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(16)}",
            "hash": hash,
            "type": event.type,
            "url": forms[0],
            "receiver": origin_of(url),
            "predefined": url == event.predefined,
            "body": self._hiding.hide_body(event.body),
            "state": QUEUED,
            "attempts": 0,
            "not_before": event.at,
            "created_at": event.at,
            "outcome": None,
            "owner": event.owner,
        }
        if _add_delivery(connection, row):
            taken.add(connection, hash, len(row["body"]))
            self._wakes.wake(connection, DELIVERIES, row["id"], event.at)

    async def _apply(self, statement: Any) -> None:
        def change(connection: Connection) -> None:
            connection.execute(statement)

        await self._writer.apply(change)

    def _shown(self, row: DeliveryRow) -> DeliveryRow:
        return dataclasses.replace(row, url=self._hiding.show(row.url), body=self._hiding.show_body(row.body))

    async def _unreadable(self, row: DeliveryRow, now: float) -> None:
        await self.ended(row, state=FAILED, at=now, outcome="unreadable")
