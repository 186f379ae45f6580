"""Many archives: an owner's pages, and those whose time is over."""

import pytest

from streamzip.store.repository import Repository
from tests.unit.store.builders import an_archive, sealed


def name(number: int) -> str:
    return f"{number:032x}"


async def test_page_goes_on_where_the_last_one_ended(repository: Repository) -> None:
    """Every archive of an owner once, the newest first, also those of one moment; nobody else's, no expired one."""
    for number in range(5):
        await repository.create(an_archive(name(number), owner="ann", created_at=float(number // 2)), sealed())
    await repository.create(an_archive(name(7), owner="bob"), sealed())
    await repository.create(an_archive(name(8)), sealed())
    await repository.create(an_archive(name(9), owner="ann", expires_at=50.0), sealed())
    found, before = [], None
    while page := await repository.catalogue.page("ann", now=50.0, limit=2, before=before):
        assert len(page) <= 2
        found += [row.hash for row in page]
        before = (page[-1].created_at, page[-1].hash)
    assert found == [name(4), name(3), name(2), name(1), name(0)]


@pytest.mark.parametrize(
    ("stands", "wished", "until"),
    [(100.0, 200.0, 200.0), (200.0, 100.0, 200.0), (100.0, None, None), (None, 100.0, None), (None, None, None)],
)
async def test_extend_takes_the_later_time(
    repository: Repository, stands: float | None, wished: float | None, until: float | None
) -> None:
    """A repeated create never shortens an archive's time; none at all is the latest."""
    await repository.create(an_archive(expires_at=stands), sealed())
    assert await repository.catalogue.extend("a" * 32, wished, now=10.0)
    row = await repository.get("a" * 32)
    assert row is not None
    assert row.expires_at == until


async def test_extend_fails_when_the_time_is_over(repository: Repository) -> None:
    """An expired archive is not revived: its copy may be gone already."""
    await repository.create(an_archive(expires_at=10.0), sealed())
    assert not await repository.catalogue.extend("a" * 32, 50.0, now=10.0)
    assert not await repository.catalogue.extend("b" * 32, 50.0, now=10.0)


async def test_expired_names_what_is_over_and_deletes_only_that(repository: Repository) -> None:
    """The sweep finds each archive at its time, and leaves one that was extended meanwhile."""
    for number, expires_at in enumerate((30.0, 10.0, None, 99.0)):
        await repository.create(an_archive(name(number), expires_at=expires_at), sealed())
    assert await repository.catalogue.expired(30.0, limit=9) == [name(1), name(0)]
    assert await repository.catalogue.expired(30.0, limit=1) == [name(1)]
    assert await repository.catalogue.delete_expired(name(1), 30.0)
    for number in (1, 2, 3):
        assert not await repository.catalogue.delete_expired(name(number), 30.0)
    assert [await repository.get(name(number)) is not None for number in range(4)] == [True, False, True, True]


async def test_extend_lets_an_archive_lapse_when_nobody_sets_a_time(repository: Repository) -> None:
    """One that would end is put off until `unread_until`, never sooner; one that stands for ever still does."""
    await repository.create(an_archive(name(1), expires_at=100.0), sealed())
    await repository.create(an_archive(name(2)), sealed())
    for number, until, expires_at, lapses in ((1, 50.0, 100.0, True), (1, 200.0, 200.0, True), (2, 200.0, None, False)):
        assert await repository.catalogue.extend(name(number), None, now=10.0, unread_until=until)
        row = await repository.get(name(number))
        assert row is not None
        assert (row.expires_at, row.lapses) == (expires_at, lapses)


@pytest.mark.parametrize("by_release", [False, True])
async def test_first_reader_ends_a_time_that_is_for_want_of_readers(repository: Repository, by_release: bool) -> None:
    """By `keep`, and with the note that bytes are given out, before any event tells of it; a time that somebody set
    stays.
    """
    await repository.create(an_archive(name(1), expires_at=100.0, lapses=True), sealed())
    await repository.create(an_archive(name(2), expires_at=100.0), sealed())
    for number, expires_at in ((1, None), (2, 100.0)):
        if by_release:
            assert await repository.rounds.mark_released(name(number), rounds=0)
        else:
            await repository.catalogue.keep(name(number))
        row = await repository.get(name(number))
        assert row is not None
        assert (row.expires_at, row.lapses) == (expires_at, False)


async def test_usage_counts_each_owners_archives_and_their_lists(repository: Repository) -> None:
    """Those without an owner too."""
    for number, (owner, stored) in enumerate([("ann", 10), ("ann", 20), ("bob", 5), (None, 7)]):
        await repository.create(an_archive(name(number), owner=owner, stored=stored), sealed())
    assert await repository.catalogue.usage() == {"ann": (2, 30), "bob": (1, 5), None: (1, 7)}
