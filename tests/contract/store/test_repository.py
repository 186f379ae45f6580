"""What was acknowledged is there, once, and nothing else is."""

import asyncio

import pytest

from streamzip.errors import NotFound, NotReady
from streamzip.store.catalogue import Usage
from streamzip.store.repository import Repository
from streamzip.store.rows import Documents, Event, Sealed, WebpageRow
from tests.contract.store.conftest import Place
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32


async def test_create_keeps_every_fact_when_the_store_is_opened_again(place: Place) -> None:
    """What create was given comes back equal from a new process's point of view."""
    archive = an_archive(prefetch=True, filename="Ünïcode.zip", manifest_key="b" * 32, generation=3)
    first = await place.open()
    assert await first.create(archive, sealed(b"\x00\xff manifest"))

    second = await place.open()
    assert await second.get(HASH) == archive
    assert await second.manifest(HASH) == sealed(b"\x00\xff manifest")


async def test_create_changes_nothing_when_the_hash_exists(repository: Repository) -> None:
    """A repeated create is answered False and leaves the first archive, its manifest and its jobs alone."""
    await repository.create(an_archive(), sealed(b"first"))
    assert not await repository.create(an_archive(filename="other.zip"), sealed(b"second"), build=True)
    row = await repository.get(HASH)
    assert row is not None
    assert row.filename == "archive.zip"
    assert await repository.manifest(HASH) == sealed(b"first")
    assert await repository.jobs.pending(HASH) is None


async def test_create_succeeds_once_when_many_create_the_same_archive(repository: Repository) -> None:
    """Of fifty creates of one hash at the same time exactly one is told that it is new."""
    created = await asyncio.gather(*(repository.create(an_archive(), sealed()) for _ in range(50)))
    assert sum(created) == 1


async def test_create_queues_its_job_when_one_is_asked_for(repository: Repository) -> None:
    """The job is there with the archive, due at once."""
    await repository.create(an_archive(created_at=7.0), sealed(), build=True)
    (job,) = await repository.jobs.due(7.0, longest=1e12)
    assert (job.kind, job.hash, job.attempts) == ("prefetch", HASH, 0)


async def test_get_finds_nothing_when_the_hash_is_unknown(repository: Repository) -> None:
    """Unknown archives have no facts and no documents."""
    assert await repository.get(HASH) is None
    assert await repository.manifest(HASH) is None
    assert await repository.latest(HASH) is None
    assert await repository.documents(HASH) == Documents()


async def test_get_finds_nothing_when_the_hash_holds_a_nul(repository: Repository) -> None:
    """A path may say so; it is the name of nothing, and no failure of the store."""
    assert await repository.get("a\0b") is None
    assert await repository.manifest("\0") is None
    assert await repository.latest("\0") is None


async def test_latest_gives_the_highest_generation_when_there_are_several(repository: Repository) -> None:
    """A manifest's newest archive is found by the hash of its first."""
    for number, hash in ((1, "b"), (3, "c"), (2, "d")):
        await repository.create(an_archive(hash, manifest_key="b", generation=number), sealed())
    await repository.create(an_archive("e", generation=9), sealed())
    row = await repository.latest("b")
    assert row is not None
    assert row.hash == "c"


async def test_replace_manifest_puts_new_urls_in_place_when_the_archive_stands(repository: Repository) -> None:
    """The newer document is the one given back; a deleted archive does not come to life."""
    await repository.create(an_archive(), sealed(b"old"))
    assert await repository.replace_manifest(HASH, sealed(b"new", "51"))
    assert await repository.manifest(HASH) == sealed(b"new", "51")
    assert not await repository.replace_manifest("b" * 32, sealed())
    assert await repository.manifest("b" * 32) is None


async def test_delete_takes_documents_plan_and_jobs_when_the_archive_goes(repository: Repository) -> None:
    """Nothing of a deleted archive is left, and the same manifest can be created again."""
    await repository.create(an_archive(), sealed(), build=True)
    await repository.set_layout(HASH, sealed())
    await repository.set_completed(HASH, at=1.0, size=1, crcs=sealed())
    await repository.set_errors(HASH, [{"index": 0}])

    assert await repository.delete(HASH)
    assert not await repository.delete(HASH)

    assert await repository.get(HASH) is None
    assert await repository.manifest(HASH) is None
    assert await repository.documents(HASH) == Documents()
    assert await repository.jobs.due(2000.0, longest=1e12) == []
    assert await repository.create(an_archive(), sealed())


async def test_facts_change_when_they_are_set(repository: Repository) -> None:
    """Released and the failure's code are kept, and a code can be taken back."""
    await repository.create(an_archive(), sealed())
    await repository.rounds.mark_released(HASH, rounds=0)
    assert await repository.set_code(HASH, "origin_failed")
    assert await repository.get(HASH) == an_archive(released=True, code="origin_failed")
    assert await repository.set_code(HASH, None)
    assert await repository.get(HASH) == an_archive(released=True)


async def test_layout_of_which_nothing_was_given_out_can_be_forgotten(repository: Repository) -> None:
    """The next round begins without it; who still has it may give out nothing, freeze nothing, complete nothing."""
    await repository.create(an_archive(), sealed())
    await repository.set_layout(HASH, sealed(b"first"))
    await repository.set_code(HASH, "origin_failed")
    assert await repository.rounds.begin(HASH, rounds=0, most=2)
    assert await repository.documents(HASH) == Documents(sealed())
    assert await repository.get(HASH) == an_archive(rounds=1)
    assert not await repository.rounds.mark_released(HASH, rounds=0)
    assert not await repository.set_completed(HASH, at=1.0, size=1)
    with pytest.raises(NotReady):
        await repository.set_layout(HASH, sealed(b"late"))
    await repository.set_layout(HASH, sealed(b"second"), rounds=1)
    assert await repository.rounds.mark_released(HASH, rounds=1)
    assert await repository.get(HASH) == an_archive(rounds=1, released=True, stored=len(b"second"))


async def test_layout_stands_for_ever_once_it_was_used(repository: Repository) -> None:
    """Bytes given out, a full pass, as many rounds as there may be: no other layout takes its place."""
    await repository.create(an_archive(), sealed())
    assert await repository.rounds.mark_released(HASH, rounds=0)
    assert not await repository.rounds.begin(HASH, rounds=0, most=2)
    for number in range(1, 3):
        await repository.create(an_archive(str(number) * 32), sealed())
    assert await repository.set_completed("1" * 32, at=1.0, size=1)
    assert not await repository.rounds.begin("1" * 32, rounds=0, most=2)
    begun = [await repository.rounds.begin("2" * 32, rounds=number, most=2) for number in range(3)]
    assert begun == [True, True, False]


async def test_one_of_giving_out_and_forgetting_wins(repository: Repository) -> None:
    """A layout is used or forgotten, whoever comes first, and never both."""
    for number in range(10):
        hash = f"{number:032x}"
        await repository.create(an_archive(hash), sealed())
        rounds = repository.rounds
        marking, beginning = rounds.mark_released(hash, rounds=0), rounds.begin(hash, rounds=0, most=3)
        won = await asyncio.gather(*((marking, beginning) if number % 2 else (beginning, marking)))
        assert sorted(won) == [False, True]


async def test_stale_is_for_ever(repository: Repository) -> None:
    """Another reader's failure, and a pass that another process completes, come too late to take it back."""
    await repository.create(an_archive(), sealed())
    assert await repository.set_code(HASH, "origin_changed")
    assert not await repository.set_code(HASH, "origin_failed")
    assert not await repository.set_code(HASH, None)
    assert await repository.set_completed(HASH, at=1.0, size=1, crcs=sealed())
    row = await repository.get(HASH)
    assert row is not None
    assert (row.code, row.completed_at) == ("origin_changed", 1.0)


async def test_setters_say_so_when_the_archive_is_gone(repository: Repository) -> None:
    """A setter that finds no archive is answered False; what hangs on an archive raises NotFound."""
    assert not await repository.rounds.mark_released(HASH, rounds=0)
    assert not await repository.rounds.begin(HASH, rounds=0, most=3)
    assert not await repository.set_code(HASH, "no_entries")
    assert not await repository.set_completed(HASH, at=1.0, size=1, crcs=sealed())
    with pytest.raises(NotFound):
        await repository.set_layout(HASH, sealed())
    with pytest.raises(NotFound):
        await repository.set_errors(HASH, [])


async def test_set_completed_ends_a_failure_when_a_full_pass_was_made(repository: Repository) -> None:
    """Size, time and learned CRCs are kept together, the earlier failure is over, and a size may pass 4 GiB."""
    await repository.create(an_archive(), sealed())
    await repository.set_code(HASH, "origin_failed")
    assert await repository.set_completed(HASH, at=2000.0, size=2**40, crcs=sealed(b"crcs"))
    assert await repository.get(HASH) == an_archive(completed_at=2000.0, size=2**40)
    assert (await repository.documents(HASH)).crcs == sealed(b"crcs")


async def test_set_completed_keeps_the_first_time_when_the_copy_was_built_again(repository: Repository) -> None:
    """completed_at is the end of the first full pass, also after an eviction and a rebuild."""
    await repository.create(an_archive(), sealed())
    await repository.set_completed(HASH, at=2000.0, size=5, crcs=sealed(b"first"))
    await repository.set_completed(HASH, at=3000.0, size=5)
    assert await repository.get(HASH) == an_archive(completed_at=2000.0, size=5)
    assert (await repository.documents(HASH)).crcs == sealed(b"first")


async def test_set_layout_lets_the_first_stand_when_two_freeze(repository: Repository) -> None:
    """One hash, one layout: whoever comes second is given the first one's."""
    await repository.create(an_archive(), sealed())
    layouts = [sealed(str(number).encode()) for number in range(10)]
    winners = await asyncio.gather(*(repository.set_layout(HASH, layout) for layout in layouts))
    assert winners == [layouts[0]] * 10
    assert (await repository.documents(HASH)).layout == layouts[0]


async def test_set_layout_brings_its_errors_and_ends_the_failures_before_it(repository: Repository) -> None:
    """Those of a layout that came second are of an archive that nobody gets."""
    await repository.create(an_archive(), sealed())
    await repository.set_errors(HASH, [{"index": 0}, {"index": 1}])
    await repository.set_code(HASH, "no_entries")
    await repository.set_layout(HASH, sealed(b"first"), errors=[{"index": 1}])
    await repository.set_layout(HASH, sealed(b"second"), errors=[])
    assert (await repository.documents(HASH)).layout == sealed(b"first")
    assert await repository.overview.left_out(HASH, most=9) == (1, [{"index": 1}])
    assert await repository.get(HASH) == an_archive(stored=len(b"first") + len('[{"index": 1}]'))


async def test_set_layout_ends_no_other_failure(repository: Repository) -> None:
    """A stale archive stays stale."""
    await repository.create(an_archive(), sealed())
    await repository.set_code(HASH, "origin_changed")
    await repository.set_layout(HASH, sealed(), errors=[])
    assert await repository.get(HASH) == an_archive(code="origin_changed", stored=len(sealed().body) + len("[]"))


async def test_documents_and_errors_are_the_latest_when_they_were_learned_twice(repository: Repository) -> None:
    """CRCs and errors replace those kept before; the layout is not touched."""
    await repository.create(an_archive(), sealed())
    await repository.set_layout(HASH, sealed(b"layout"))
    for round in (b"1", b"2"):
        await repository.set_completed(HASH, at=1.0, size=1, crcs=sealed(round))
        await repository.set_errors(HASH, [{"index": 3, "code": "http_404", "message": round.decode()}])
    assert await repository.documents(HASH) == Documents(sealed(), sealed(b"layout"), sealed(b"2"))
    assert await repository.overview.left_out(HASH, most=9) == (1, [{"index": 3, "code": "http_404", "message": "2"}])


async def test_what_grows_beside_a_list_counts_with_it(repository: Repository) -> None:
    """Newer URLs, what origins say and receivers may each have many times the list's bytes, and so fill the disk."""
    await repository.create(an_archive(), sealed(b"list"))

    async def stored() -> int:
        return (await repository.catalogue.usage())[None].bytes

    assert await stored() == 0  # what the list takes is said by who keeps it
    assert await repository.replace_manifest(HASH, sealed(b"list" + bytes(1000)))
    assert await stored() == 1000
    await repository.set_errors(HASH, [{"index": 0, "url": "u" * 500}])
    assert 1500 < (errors := await stored()) < 1600
    await repository.set_errors(HASH, [])
    assert await stored() < 1010 < errors
    await repository.deliveries.add_hook(HASH, "https://hooks.example/" + "h" * 400)
    assert (hooked := await stored()) > 1400
    await repository.deliveries.add_hook(HASH, "https://hooks.example/" + "h" * 400)
    assert await stored() == hooked
    event = Event("archive.completed", 1.0, bytes(3000), None)
    await repository.set_completed(HASH, at=1.0, size=1, event=event)
    assert await stored() >= hooked + 3000


async def test_pages_that_are_to_be_read_count_as_archives(repository: Repository) -> None:
    """Each may become one; a page that did is counted with it."""
    page = WebpageRow("page", "https://pages.example/" + "p" * 100, created_at=1.0, not_before=1.0, owner="ann")
    await repository.webpages.add(page)
    assert (await repository.catalogue.usage())["ann"] > Usage(1, 100)
    await repository.create(an_archive(owner="ann"), sealed())
    await repository.webpages.built(page, HASH)
    assert (await repository.catalogue.usage())["ann"].archives == 1


async def test_reads_go_on_when_many_were_cancelled(repository: Repository) -> None:
    """A client that leaves in the middle of a query does not cost the store a connection."""
    await repository.create(an_archive(), sealed(b"x" * 100_000))
    for turns in range(40):
        reading = asyncio.create_task(repository.documents(HASH))
        for _ in range(turns % 13):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    found = await asyncio.wait_for(asyncio.gather(*(repository.manifest(HASH) for _ in range(20))), 10)
    assert all(manifest is not None for manifest in found)


async def test_create_is_whole_or_absent_when_its_caller_was_cancelled(repository: Repository) -> None:
    """A cancelled create leaves an archive with its manifest, or nothing; and the next write is served."""
    for turns in range(30):
        hash = f"{turns:032x}"
        creating = asyncio.create_task(repository.create(an_archive(hash), sealed()))
        for _ in range(turns):
            await asyncio.sleep(0)
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)
        await repository.set_code("nothing", None)  # the writer is past it now
        assert (await repository.get(hash) is None) == (await repository.manifest(hash) is None)


def test_sealed_shows_no_document_when_it_is_printed() -> None:
    """Whole URLs stay out of tracebacks and logs."""
    assert "hunter2" not in repr(Sealed(b"https://host/?token=hunter2", "k1", "5e"))
