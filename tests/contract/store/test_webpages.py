"""Web pages in the store: due until they are built or have failed, and gone with their archive."""

from dataclasses import replace

import pytest

from streamzip.errors import NotFound
from streamzip.store.queues import LeftOut
from streamzip.store.repository import Repository
from streamzip.store.rows import WebpageRow
from tests.unit.store.builders import an_archive, sealed


def a_page(id: str, not_before: float = 10.0) -> WebpageRow:
    return WebpageRow(id, f"https://example.com/{id}", created_at=10.0, not_before=not_before)


async def test_page_is_due_until_it_is_built_or_failed(repository: Repository) -> None:
    """The longest waiting first; what was put off is due at its time, what has ended never."""
    pages = repository.webpages
    assert await pages.next_due() is None
    for row in (a_page("b", 12.0), a_page("a", 11.0), a_page("c", 13.0)):
        await pages.add(row)
    assert await pages.next_due() == 11.0
    assert [row.id for row in await pages.due(12.0, longest=1e12, limit=9)] == ["a", "b"]
    assert [row.id for row in await pages.due(99.0, longest=1e12, limit=1)] == ["a"]

    await repository.create(an_archive("f" * 32), sealed())
    await pages.built(a_page("a"), "f" * 32)
    await pages.failed(a_page("b"), code="no_images", detail="none")
    await pages.again(a_page("c"), not_before=50.0, reason="timed_out")
    assert await pages.due(49.0, longest=1e12, limit=9) == []
    [again] = await pages.due(50.0, longest=1e12, limit=9)
    assert (again.id, again.attempts, again.url) == ("c", 1, "https://example.com/c")


async def test_page_remembers_what_became_of_it(repository: Repository) -> None:
    """The archive, or the problem."""
    pages = repository.webpages
    await repository.create(an_archive("f" * 32), sealed())
    await pages.add(a_page("a"))
    await pages.add(a_page("b"))
    await pages.built(a_page("a"), "f" * 32)
    await pages.failed(a_page("b"), code="no_images", detail="none")
    built, failed = await pages.get("a"), await pages.get("b")
    assert built is not None
    assert failed is not None
    assert (built.state, built.hash) == ("built", "f" * 32)
    assert (failed.state, failed.code, failed.detail) == ("failed", "no_images", "none")
    assert await pages.get("c") is None


async def test_page_is_gone_with_its_archive(repository: Repository) -> None:
    """A deleted or expired archive leaves no download behind, and cannot be given to one."""
    await repository.create(an_archive("f" * 32), sealed())
    await repository.webpages.add(a_page("a"))
    await repository.webpages.built(a_page("a"), "f" * 32)
    await repository.delete("f" * 32)
    assert await repository.webpages.get("a") is None

    await repository.webpages.add(a_page("b"))
    with pytest.raises(NotFound):
        await repository.webpages.built(a_page("b"), "f" * 32)


async def test_page_that_failed_goes_when_it_is_old(repository: Repository) -> None:
    """One that is being read stays, however long it takes, and so does one that was built."""
    pages = repository.webpages
    await repository.create(an_archive("f" * 32), sealed())
    for row in (a_page("failed"), a_page("queued"), a_page("built")):
        await pages.add(row)
    await pages.failed(a_page("failed"), code="no_images", detail="none")
    await pages.built(a_page("built"), "f" * 32)
    await pages.sweep(10.0)
    assert await pages.get("failed") is not None
    await pages.sweep(10.5)
    assert [await pages.get(id) is None for id in ("failed", "queued", "built")] == [True, False, False]


async def test_waiting_says_of_each_page_why_it_waits(repository: Repository) -> None:
    """For a slot, or for its origin's share; one that is read waits for nothing."""
    pages = repository.webpages
    for row in (replace(a_page("a"), origin="x"), replace(a_page("b"), origin="x"), replace(a_page("c"), origin="y")):
        await pages.add(row)
    left_out = LeftOut.of(["a"], [("origin", "x")])
    counts = await pages.waiting(12.0, longest=1e12, left_out=left_out, no_room=True)
    assert counts == {"share": 1, "no_slot": 1}
    assert [row.id for row in await pages.due(12.0, longest=1e12, limit=9, left_out=left_out)] == ["c"]
    blocked = await pages.get("b")
    assert blocked is not None
    assert blocked.reason == "share"
    await pages.begun(blocked)
    assert [row.reason for row in await pages.due(12.0, longest=1e12, limit=9)] == [None, None, "no_slot"]
