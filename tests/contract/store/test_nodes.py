"""What the gateways of one store tell each other through it."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from streamzip.data_folder import Node
from streamzip.errors import Elsewhere
from streamzip.store.dialects import dialect_of
from streamzip.store.nodes import ALIVE, Holding, Standing
from streamzip.store.repository import Repository
from tests.contract.store.conftest import Place
from tests.support import postgresql
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32
A, B = Node("a", "left", "here:1:2"), Node("b", "right", "there:1:2")


async def test_one_node_gives_out_bytes_that_no_validator_proves(place: Place) -> None:
    """Of two that are about to at the same time one may, and goes on; the other one gives out nothing."""
    gateways = [await place.open(), await place.open()]
    for number in range(20):
        hash = f"{number:032x}"
        await gateways[0].create(an_archive(hash), sealed())
        came = await asyncio.gather(
            *(
                gateways[turn].rounds.mark_released(hash, rounds=0, by="ab"[turn])
                for turn in (number % 2, 1 - number % 2)
            ),
            return_exceptions=True,
        )
        assert sorted(map(type, came), key=str) == sorted([bool, Elsewhere], key=str)
        row = await gateways[0].get(hash)
        assert row is not None
        assert row.released_by is not None
        assert await gateways[0].rounds.mark_released(hash, rounds=0, by=row.released_by)
        # What every validator proves is anybody's.
        assert await gateways[0].rounds.mark_released(hash, rounds=0)


async def test_archive_is_completed_by_the_node_whose_bytes_were_given_out(repository: Repository) -> None:
    """A full pass of another one may have learned other checksums; a completion counts as giving out."""
    await repository.create(an_archive(), sealed())
    await repository.rounds.mark_released(HASH, rounds=0, by="a")
    assert not await repository.set_completed(HASH, at=1.0, size=1, crcs=sealed(b"other"), by="b")
    assert await repository.set_completed(HASH, at=1.0, size=1, crcs=sealed(b"own"), by="a")
    assert (await repository.documents(HASH)).crcs == sealed(b"own")
    other = "b" * 32
    await repository.create(an_archive(other), sealed())
    assert await repository.set_completed(other, at=1.0, size=1, crcs=sealed(), by="b")
    with pytest.raises(Elsewhere):
        await repository.rounds.mark_released(other, rounds=0, by="a")


async def test_facts_are_told_to_the_others_until_the_archive_is_completed(repository: Repository) -> None:
    """In order, each once, of the layout that stands; those of a void one, or of a completed archive, are nobody's."""
    facts = repository.nodes.facts
    await repository.create(an_archive(), sealed())
    assert await facts.add(HASH, sealed(b"1"), rounds=0, node="a")
    assert await facts.add(HASH, sealed(b"2"), rounds=0, node="a")
    told = await facts.of_others(HASH, rounds=0, node="b")
    assert [(each.node, each.sealed.body) for each in told] == [("a", b"1"), ("a", b"2")]
    assert await facts.of_others(HASH, rounds=0, node="b", after=told[0].id) == told[1:]
    assert await facts.of_others(HASH, rounds=0, node="a") == []
    assert await repository.rounds.begin(HASH, rounds=0, most=3)
    assert await facts.of_others(HASH, rounds=0, node="b") == []
    assert not await facts.add(HASH, sealed(b"late"), rounds=0, node="a")
    assert await facts.add(HASH, sealed(b"3"), rounds=1, node="a")
    assert await repository.set_completed(HASH, at=1.0, size=1, rounds=1)
    assert await facts.of_others(HASH, rounds=1, node="b") == []
    assert not await facts.add(HASH, sealed(b"late"), rounds=1, node="a")


async def test_holdings_are_those_of_nodes_that_live(repository: Repository) -> None:
    """What a node said of an archive is believed for as long as it is seen, and goes with the archive."""
    nodes = repository.nodes
    await repository.create(an_archive(), sealed())
    for node in (A, B):
        assert await nodes.see(node, 100.0)
    held = Holding(HASH, "a", bytes=5, total=10, entries=1, active=True, read=True)
    await nodes.hold([held, held._replace(hash="f" * 32)], 100.0)
    await nodes.keep("b", [HASH, "f" * 32], 100.0, cached=True)
    assert await nodes.holding([HASH], now=101.0, but="b") == [held]
    assert await nodes.holding([HASH], now=101.0, but="a") == [Holding(HASH, "b", cached=True)]
    await nodes.hold([held._replace(bytes=6, node="b")], 102.0)  # says nothing of the copy
    assert (await nodes.holding([HASH], now=103.0, but="a"))[0].cached
    assert await nodes.kept("b") == {HASH}
    assert await nodes.see(B, 200.0)
    assert [each.node for each in await nodes.holding([HASH], now=201.0, but="c")] == ["b"]
    await nodes.leave("b")
    assert not (await nodes.holding([HASH], now=201.0, but="c"))[0].active
    await nodes.sweep(1e9)
    assert await nodes.seen_at("b") is None
    assert await nodes.kept("b") == set()


async def test_archive_does_not_expire_while_another_node_reads_it(repository: Repository) -> None:
    """Its row is one for all of them; a reader of a node that is dead holds up nothing."""
    await repository.create(an_archive(expires_at=50.0), sealed())
    await repository.nodes.see(A, 60.0)
    await repository.nodes.hold([Holding(HASH, "a", read=True)], 60.0)
    assert not await repository.catalogue.delete_expired(HASH, 61.0)
    assert await repository.catalogue.delete_expired(HASH, 61.0 + ALIVE)


async def test_copied_data_folder_is_found_out(repository: Repository) -> None:
    """Two nodes of one id would take each other's bytes for their own; one that moved has its id back soon."""
    nodes = repository.nodes
    assert await nodes.see(A, 100.0)
    assert await nodes.see(A, 101.0)
    moved = A._replace(place="elsewhere:1:2")
    assert not await nodes.see(moved, 102.0)
    assert await nodes.see(moved, 102.0 + ALIVE)
    await nodes.leave("a")
    assert await nodes.see(A, 103.0 + ALIVE)


async def test_standing_tells_what_ended_an_archive(repository: Repository) -> None:
    """Deleted, stale, in another round, or created anew."""
    await repository.create(an_archive(), sealed())
    await repository.set_code(HASH, "origin_changed")
    assert await repository.nodes.standing([HASH, "b" * 32]) == {
        HASH: Standing("origin_changed", 0, 1000.5, released_by=None, completed_at=None)
    }


@pytest.mark.needs("postgresql")
async def test_decisions_are_heard_by_every_gateway() -> None:
    """A delete, a stale archive, an expiry and a new round, each as it is committed; after a lost connection all may
    have been missed.
    """
    url = postgresql.shared().fresh_url()
    place = Place(lambda: dialect_of(url, Path()))
    telling, hearing = await place.open(), await place.open()
    hashes = [f"{number:032x}" for number in range(4)]
    for hash in hashes:
        await telling.create(an_archive(hash, expires_at=1.0), sealed())
    async with asyncio.timeout(20), aclosing(hearing.nodes.notices.heard()) as heard:
        assert await anext(heard) is None
        await telling.delete(hashes[0])
        await telling.set_code(hashes[1], "origin_failed")  # may pass: nobody's affair
        await telling.set_code(hashes[1], "origin_changed")
        await telling.catalogue.delete_expired(hashes[2], 2.0)
        await telling.rounds.begin(hashes[3], rounds=0, most=3)
        told = [await anext(heard)]
        while told[-1] != hashes[-1]:  # gateways of other stores in this database tell, too
            told.append(await anext(heard))
        assert [each for each in told if each in hashes] == hashes
        listener = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        postgresql.query(url, listener)
        while await anext(heard) is not None:
            pass
    for repository in place.opened:
        await repository.close()


async def test_node_is_told_of_another_public_url(repository: Repository) -> None:
    """Of the one that was told last, where that is another one; nobody is told of their own."""
    for own, before in (("https://a", None), ("https://a", None), ("https://b", "https://a"), ("https://b", None)):
        assert await repository.nodes.tell_public_url(own, 1.0) == before
