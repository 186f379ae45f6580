"""Several gateways on one store: of what may happen once, one is told that it was the one, and nobody is forgotten."""

import asyncio
import random
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, update

from streamzip.clock import SystemClock
from streamzip.config import SetupError
from streamzip.store.dialects.postgresql import Postgresql
from streamzip.store.repository import Repository
from streamzip.store.rows import Event
from streamzip.store.tables import archives
from streamzip.store.writer import Writer
from tests.contract.store.conftest import Place
from tests.support import postgresql
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32
HOOK = "https://hooks.example/a"
COMPLETED = Event("archive.completed", 10.0, b"{}", predefined=None)


async def test_create_succeeds_once_when_two_gateways_create_the_same_archive(place: Place) -> None:
    """Of fifty creates of each of ten hashes, through two gateways at the same time, one is told that it is new."""
    gateways = [await place.open(), await place.open()]
    asked = [(f"{number:032x}", gateways[turn % 2]) for number in range(10) for turn in range(50)]
    random.Random(7).shuffle(asked)
    created = await asyncio.gather(*(gateway.create(an_archive(hash), sealed(), build=True) for hash, gateway in asked))
    new = [hash for (hash, _), is_new in zip(asked, created, strict=True) if is_new]
    assert sorted(new) == [f"{number:032x}" for number in range(10)]


async def test_set_layout_gives_one_layout_when_two_gateways_freeze(place: Place) -> None:
    """One hash, one layout: all fifty that freeze at the same time are given the one that is stored."""
    gateways = [await place.open(), await place.open()]
    await gateways[0].create(an_archive(), sealed())
    layouts = [sealed(str(number).encode()) for number in range(50)]
    winners = await asyncio.gather(
        *(gateways[number % 2].set_layout(HASH, layout, errors=[]) for number, layout in enumerate(layouts))
    )
    stored = (await gateways[0].documents(HASH)).layout
    assert {winner.body for winner in winners} == {stored.body if stored else None}


async def test_layout_is_used_or_forgotten_when_two_gateways_do_one_of_them_each(place: Place) -> None:
    """Where bytes are given out by a layout it stands for ever; where it is forgotten nobody gives out any."""
    gateways = [await place.open(), await place.open()]
    for number in range(20):
        hash = f"{number:032x}"
        await gateways[0].create(an_archive(hash), sealed())
        won = await asyncio.gather(
            gateways[number % 2].rounds.mark_released(hash, rounds=0),
            gateways[1 - number % 2].rounds.begin(hash, rounds=0, most=3),
        )
        assert sum(won) == 1


async def test_completion_is_noted_by_both_when_two_gateways_complete(place: Place) -> None:
    """Each writes what it learned; one event is told."""
    gateways = [await place.open(), await place.open()]
    await gateways[0].create(an_archive(), sealed())
    await gateways[0].deliveries.add_hook(HASH, HOOK)
    await asyncio.gather(
        *(
            gateways[number % 2].set_completed(HASH, at=10.0 + number, size=5, crcs=sealed(b"crcs"), event=COMPLETED)
            for number in range(20)
        )
    )
    assert (await gateways[0].documents(HASH)).crcs == sealed(b"crcs")
    assert len(await gateways[0].deliveries.of(HASH)) == 1


async def test_all_start_when_several_gateways_open_a_new_store_at_once(place: Place) -> None:
    """One makes the schema, the others find it made."""
    for gateway in await asyncio.gather(*(place.open() for _ in range(4))):
        await gateway.overview.ping()


class Held(Postgresql):
    """A gateway's connection to PostgreSQL that stops before it commits, once it is told to, until it is let go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.stops = False
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def open(self, readers: int) -> Any:
        engines = super().open(readers)
        event.listen(engines[1], "commit", self._before)
        return engines

    def _before(self, _connection: object) -> None:
        if self.stops:
            self.reached.set()
            assert self.let_go.wait(20)


@pytest.fixture
def url() -> str:
    """A new schema of PostgreSQL."""
    return postgresql.shared().fresh_url()


async def _subscribe(gateway: Repository) -> bool:
    """Subscribe as a create does; whether the event had happened already."""
    await gateway.deliveries.add_hook(HASH, HOOK)
    row = await gateway.get(HASH)
    return row is not None and row.completed_at is not None


def _waits_for_a_lock(schema_url: str) -> bool:
    import psycopg

    with psycopg.connect(schema_url) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND query LIKE '%archives%'"
        )
        return found.fetchone() is not None


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("is_gone", [False, True], ids=["new", "gone before"])
async def test_receiver_is_told_when_it_is_added_while_the_archive_completes(
    url: str, tmp_path: Path, is_gone: bool
) -> None:
    """Either the completion finds the receiver, or whoever adds it finds the archive completed."""
    held = Held(url)
    adding = await Repository.connect(Postgresql(url))
    await adding.create(an_archive(), sealed())
    if is_gone:
        await adding.deliveries.add_hook(HASH, HOOK)
        await adding.deliveries.gone(HOOK, at=1.0)
    completing = await Repository.connect(held)
    held.stops = True  # where it has read who is to be told
    completion = asyncio.create_task(completing.set_completed(HASH, at=10.0, size=1, crcs=sealed(), event=COMPLETED))
    assert await asyncio.to_thread(held.reached.wait, 10)
    subscription = asyncio.create_task(_subscribe(adding))
    while not subscription.done() and not await asyncio.to_thread(_waits_for_a_lock, url):
        pass
    held.let_go.set()
    await completion
    found_completed = await subscription
    told = [row.url for row in await adding.deliveries.of(HASH)]
    assert found_completed or told == [HOOK]
    await adding.close()
    await completing.close()


@pytest.mark.needs("postgresql")
async def test_both_go_through_when_two_gateways_lock_in_opposite_order(url: str) -> None:
    """The loser of a deadlock is tried again, and its caller does not learn of it."""
    gateways = [await Repository.connect(Postgresql(url)) for _ in range(2)]
    for hash in ("a", "b"):
        await gateways[0].create(an_archive(hash), sealed())
    both_have_one = threading.Barrier(2)
    attempts: list[str] = []

    def change(first: str, second: str) -> Any:
        def apply(connection: Connection) -> None:
            attempts.append(first)
            for hash in (first, second):
                connection.execute(update(archives).where(archives.c.hash == hash).values(size=len(attempts)))
                if len(attempts) <= 2 and hash == first:
                    both_have_one.wait(10)

        return apply

    writers: list[Writer] = [gateway._writer for gateway in gateways]
    await asyncio.gather(writers[0].apply(change("a", "b")), writers[1].apply(change("b", "a")))
    assert len(attempts) == 3
    for gateway in gateways:
        await gateway.close()


class DayOff(SystemClock):
    """A machine whose clock is a day ahead."""

    def wall(self) -> float:
        return super().wall() + 86_400


@pytest.mark.needs("postgresql")
async def test_gateways_agree_on_the_time_when_one_clock_is_a_day_off(url: str) -> None:
    """What one queues is due for the other at once, and neither deletes what stands for another hour."""
    right = await Repository.connect(Postgresql(url))
    wrong = await Repository.connect(Postgresql(url), local=DayOff())
    assert abs(wrong.clock.wall() - right.clock.wall()) < 2
    now = wrong.clock.wall()
    await wrong.create(an_archive(created_at=now, expires_at=now + 3600), sealed(), build=True)
    await asyncio.sleep(0)
    assert len(await right.jobs.due(right.clock.wall() + 1, longest=60)) == 1
    assert await wrong.catalogue.expired(wrong.clock.wall(), limit=1) == []
    await right.close()
    await wrong.close()


async def _noted(place: Place, **secrets: str) -> None:
    fingerprints = {"secret_keys": secrets}
    await (await Repository.connect(place.dialect(), fingerprints=fingerprints)).close()


async def test_gateway_is_refused_when_its_secrets_are_not_the_others(place: Place) -> None:
    """Another secret of the same id, none in common, and a newer one that it lacks; a rotation in order passes."""
    await _noted(place, k1="11")
    await _noted(place, k1="11")
    with pytest.raises(SetupError, match=r"^STREAMZIP_SECRET_KEYS: the secret k1 is another one"):
        await _noted(place, k1="12")
    with pytest.raises(SetupError, match=r"^STREAMZIP_SECRET_KEYS lacks the secret k1"):
        await _noted(place, k2="22")
    await _noted(place, k1="11", k2="22")
    await _noted(place, k2="22", k1="11")
    await _noted(place, k1="11", k2="22")
    with pytest.raises(SetupError, match=r"^STREAMZIP_SECRET_KEYS lacks the secret k2"):
        await _noted(place, k1="11")
