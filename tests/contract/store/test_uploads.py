"""Uploaded files of the store: what must be true together is so, whoever is faster."""

import asyncio

import pytest

from streamzip.errors import NotFound
from streamzip.store.repository import Repository
from streamzip.store.uploads import UploadRow
from tests.contract.store.conftest import Place
from tests.unit.store.builders import an_archive, sealed

HASH, OTHER = "a" * 32, "b" * 32


def a_file(number: int, size: int = 40) -> UploadRow:
    return UploadRow(f"uploads/{number}", f"{number}.txt", size, "5e" * 32, 7, 1000)


async def keep(repository: Repository, file: UploadRow, place: str, quota: int = 1 << 30, files: int = 100) -> str:
    await repository.uploads.begin(file, now=1.0)
    return await repository.uploads.keep(file.id, place, sealed(b"blocks"), quota=quota, files=files)


async def test_file_is_there_once_it_is_kept(repository: Repository) -> None:
    """Its row, its document, and its key as one that the sweep knows; an attempt is known, and no file."""
    uploads, file = repository.uploads, a_file(1)
    await uploads.begin(file, now=1.0)
    assert (await uploads.listing(), await uploads.usage(), await uploads.document(file.id)) == ([], (0, 0), None)
    assert await repository.objects.known([file.id, "uploads/2"]) == {file.id}
    assert await uploads.keep(file.id, "p", sealed(b"blocks"), quota=40, files=1) == "kept"
    assert (await uploads.listing(), await uploads.at(["p", "q"])) == ([file], [file])
    assert await uploads.usage() == (1, 40)
    assert await uploads.document(file.id) == sealed(b"blocks")
    assert not await uploads.give_up(file.id)
    assert await uploads.lapse(before=2.0) == 0
    assert await uploads.keep(file.id, "p", sealed(b"late"), quota=40, files=1) == "gone"


async def test_attempt_that_was_given_up_is_never_kept(repository: Repository) -> None:
    """A process that was stopped and comes back finds it gone."""
    uploads = repository.uploads
    for number in (1, 2):
        await uploads.begin(a_file(number), now=float(number))
    assert await uploads.give_up("uploads/2")
    assert await uploads.lapse(before=2.0) == 1
    for number in (1, 2):
        assert await uploads.keep(f"uploads/{number}", "p", sealed(), quota=99, files=9) == "gone"


async def test_name_and_quota_hold_for_gateways_at_once(place: Place) -> None:
    """Of four at the same time two have room, and of one name one is kept."""
    gateways = [await place.open() for _ in range(4)]
    await gateways[0].objects.store_id(now=1.0)
    told = await asyncio.gather(*(keep(each, a_file(n), f"p{n}", quota=90) for n, each in enumerate(gateways)))
    assert sorted(told) == ["full", "full", "kept", "kept"]
    told = await asyncio.gather(*(keep(each, a_file(10 + n), "same") for n, each in enumerate(gateways)))
    assert sorted(told) == ["kept", "name taken", "name taken", "name taken"]
    assert await gateways[0].uploads.usage() == (3, 120)


async def test_file_or_its_archive_is_kept_and_never_the_archive_alone(place: Place) -> None:
    """A delete and a create at the same time, twenty times."""
    one, two = await place.open(), await place.open()
    for number in range(20):
        file, hash = a_file(number), f"{number:032x}"
        assert await keep(one, file, f"p{number}") == "kept"
        created, removed = await asyncio.gather(
            one.create(an_archive(hash), sealed(), uploads=[file.id]),
            two.uploads.remove(file.id, ()),
            return_exceptions=True,
        )
        there = await two.get(hash) is not None
        assert removed == ("needed" if there else "removed")
        assert there == (created is True)
        assert there or isinstance(created, NotFound)


async def test_file_is_removed_when_all_are_done_with_it(repository: Repository) -> None:
    """Archives that are gone need nothing; each other one is asked for."""
    uploads, file = repository.uploads, a_file(1)
    await keep(repository, file, "p")
    for hash in (HASH, OTHER):
        await repository.create(an_archive(hash), sealed(), uploads=[file.id])
    assert await uploads.needed_by(file.id) == {HASH, OTHER}
    await repository.delete(OTHER)
    assert await uploads.needed_by(file.id) == {HASH}
    assert await uploads.remove(file.id, ()) == "needed"
    assert await uploads.remove(file.id, {HASH}) == "removed"
    assert await uploads.remove(file.id, {HASH}) == "gone"
    assert await repository.get(HASH) is not None
    assert await uploads.needed_by(file.id) == set()


async def test_archive_of_a_file_that_is_gone_fails_alone(repository: Repository) -> None:
    """Others that are created in the same moment stand."""
    one, other = await asyncio.gather(
        repository.create(an_archive(HASH), sealed(), uploads=["uploads/none"]),
        repository.create(an_archive(OTHER), sealed()),
        return_exceptions=True,
    )
    assert isinstance(one, NotFound)
    assert other is True


@pytest.fixture(autouse=True)
async def _named(repository: Repository) -> None:
    """The store has its name, as each that shares a bucket."""
    await repository.objects.store_id(now=1.0)
