"""Others' secrets in the store: encrypted where they lie, and found all the same, those of before too."""

import asyncio
from pathlib import Path

import pytest

from streamzip.access.keyring import KeyRing
from streamzip.errors import Damaged
from streamzip.store.deliveries import FAILED
from streamzip.store.hiding import Hiding
from streamzip.store.queues import LeftOut
from streamzip.store.repository import Repository
from streamzip.store.rows import Event, WebpageRow
from tests.unit.store.builders import an_archive, sealed

OLD = KeyRing.parse("k1:the first secret")
NEW = KeyRing.parse("k2:the second secret,k1:the first secret")
OTHER = KeyRing.parse("k3:the third secret")
HASH = "a" * 32
HOOK = "https://hooks.example/canary-path?token=canary"
PAGE = "https://pages.example/canary?signature=canary"


def event(type: str = "archive.completed") -> Event:
    return Event(type, 10.0, b'{"url": "/archive?signature=canary"}', None, "ann")


async def filled(path: Path, keys: KeyRing | None) -> None:
    """A store with a receiver, an event for it, and a page."""
    repository = await Repository.open(path, keys)
    await repository.create(an_archive(), sealed())
    await repository.deliveries.add_hook(HASH, HOOK)
    await repository.deliveries.tell(HASH, HOOK, event())
    await repository.webpages.add(WebpageRow("p", PAGE, created_at=1.0, not_before=1.0))
    await repository.close()


def test_nothing_of_them_lies_in_the_clear(tmp_path: Path) -> None:
    """Neither in the database nor in its log; the receiver's host is told, and is no secret."""
    asyncio.run(filled(tmp_path / "db", NEW))
    for path in tmp_path.iterdir():
        assert b"canary" not in path.read_bytes()


@pytest.mark.parametrize("before", [None, OLD, NEW])
async def test_what_was_stored_before_is_found(tmp_path: Path, before: KeyRing | None) -> None:
    """In the clear, as older versions did, or under an older key: read, and none of it is kept or told twice."""
    await filled(tmp_path / "db", before)
    repository = await Repository.open(tmp_path / "db", NEW)
    deliveries = repository.deliveries
    assert await deliveries.hooks(HASH) == [HOOK]
    await deliveries.add_hook(HASH, HOOK)
    assert await deliveries.hooks(HASH) == [HOOK]
    await deliveries.tell(HASH, HOOK, event())
    (row,) = await deliveries.of(HASH)
    assert (row.url, row.receiver, row.body, row.owner) == (HOOK, "hooks.example:443", event().body, "ann")
    (page,) = await repository.webpages.due(1e9, longest=1e9, limit=9)
    assert page.url == PAGE
    await deliveries.gone(HOOK, at=20.0)
    await deliveries.tell(HASH, HOOK, event("archive.failed"))
    assert len(await deliveries.of(HASH)) == 1
    await deliveries.accept_again(HOOK)
    await deliveries.tell(HASH, HOOK, event("archive.failed"))
    assert len(await deliveries.of(HASH)) == 2
    await repository.close()


async def test_what_no_key_can_read_holds_up_nothing(tmp_path: Path) -> None:
    """A key was taken out: its deliveries and pages are given up, and those beside them are made."""
    await filled(tmp_path / "db", OLD)
    repository = await Repository.open(tmp_path / "db", OTHER)
    await repository.deliveries.tell(HASH, "https://other.example/", event())
    rows = await repository.deliveries.due(1e9, longest=1e9, limit=9)
    assert [row.url for row in rows] == ["https://other.example/"]
    assert await repository.webpages.due(1e9, longest=1e9, limit=9) == []
    assert await repository.deliveries.next_due(LeftOut([rows[0].id])) is None
    assert await repository.webpages.next_due() is None
    again = await Repository.open(tmp_path / "db", KeyRing.parse("k3:the third secret,k1:the first secret"))
    assert {row.state for row in await again.deliveries.of(HASH)} == {FAILED, "queued"}
    for each in (repository, again):
        await each.close()


def test_same_text_is_hidden_alike_and_others_are_not() -> None:
    """Rows are found by what they hide; each key hides in its own way, and what was altered is refused."""
    hiding = Hiding(NEW)
    assert hiding.hide(HOOK) == hiding.hide(HOOK) == hiding.forms(HOOK)[0]
    assert hiding.forms(HOOK)[1] == Hiding(OLD).hide(HOOK)
    assert hiding.forms(HOOK)[2] == HOOK
    for form in hiding.forms(HOOK):
        assert hiding.show(form) == HOOK
    assert hiding.show_body(hiding.hide_body(b"{}")) == b"{}" == hiding.show_body(b"{}")
    hidden = hiding.hide(HOOK)
    for wrong in (hidden[:-8], hidden[:-1], hidden.replace("k2", "k9"), "enc:", "enc:k2:é"):
        with pytest.raises(Damaged):
            hiding.show(wrong)
    with pytest.raises(Damaged):
        hiding.show_body(hiding.hide_body(b"{}")[:-1])
    with pytest.raises(Damaged):
        Hiding(None).show(hidden)
