"""What an operator asks of the store: everybody's archives, one list of all queues, ended work begun anew."""

from streamzip.store.queues import DELIVERIES, PAGES, PREFETCHES
from streamzip.store.repository import Repository
from streamzip.store.rows import Event, WebpageRow
from tests.unit.store.builders import an_archive, sealed

A, B = "a" * 32, "b" * 32
PAGE = "7b0f7e3c-59a4-4c8e-8f52-0d2c6b6f1f2a"


async def test_page_lists_the_archives_of_all_owners(repository: Repository) -> None:
    """The newest first, page by page, those of one owner where that is asked for; none that has expired."""
    owners = [("ann", None), ("bob", None), (None, None), ("ann", 5.0)]
    for number, (owner, expires_at) in enumerate(owners):
        row = an_archive(f"{number:032x}", created_at=float(number), owner=owner, expires_at=expires_at)
        await repository.create(row, sealed())
    page = repository.catalogue.oversight.page
    first = await page(now=9.0, limit=2, before=None)
    assert [(row.owner, row.created_at) for row in first] == [(None, 2.0), ("bob", 1.0)]
    rest = await page(now=9.0, limit=2, before=(first[-1].created_at, first[-1].hash))
    assert [row.owner for row in rest] == ["ann"]
    assert [row.created_at for row in await page(now=1.0, limit=9, before=None, owner="ann")] == [3.0, 0.0]


async def test_queue_lists_all_work_and_retry_begins_it_anew(repository: Repository) -> None:
    """What is due first, then what was given up, each with its reason; after a retry nothing is left of a failure."""
    await repository.create(an_archive(A, owner="ann"), sealed())
    await repository.jobs.add(A, now=1.0)
    job = await repository.jobs.last(A)
    assert job is not None
    await repository.jobs.fail(job, not_before=None, reason="origin_failed")
    await repository.webpages.add(WebpageRow(PAGE, "https://pages.example/", 2.0, 50.0, owner="bob", reason="slow"))
    event = Event("archive.failed", 3.0, b"{}", "https://hooks.example/secret", "ann")
    await repository.deliveries.tell(A, "https://hooks.example/secret", event)
    total, rows = await repository.catalogue.oversight.queue(limit=2)
    assert total == 3
    assert [(row.queue, row.reason, row.owner) for row in rows] == [(DELIVERIES, None, "ann"), (PAGES, "slow", "bob")]
    assert rows[0].toward == "hooks.example:443"
    _, rows = await repository.catalogue.oversight.queue(limit=9)
    assert [(row.queue, row.id, row.state, row.reason) for row in rows[2:]] == [
        (PREFETCHES, A, "failed", "origin_failed")
    ]
    offloads = repository.jobs.of_kind("offload@zip_1", "offloads@zip_1")
    await offloads.add(A, now=4.0)
    copied = await offloads.last(A)
    assert copied is not None
    await offloads.fail(copied, not_before=90.0, reason="bucket")
    _, rows = await repository.catalogue.oversight.queue(limit=9)
    assert ("offloads@zip_1", A, "queued", "bucket", "ann", None) in [
        (row.queue, row.id, row.state, row.reason, row.owner, row.toward) for row in rows
    ]
    begun = await repository.catalogue.oversight.retry(A, now=60.0)
    assert begun == [PREFETCHES, DELIVERIES, "offloads@zip_1"]
    assert await repository.catalogue.oversight.retry(PAGE, now=60.0) == [PAGES]
    assert await repository.catalogue.oversight.retry(B, now=60.0) == []
    _, rows = await repository.catalogue.oversight.queue(limit=9)
    assert {(row.state, row.attempts, row.not_before, row.reason) for row in rows} == {("queued", 0, 60.0, None)}
