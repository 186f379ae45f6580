"""A queue in which nothing waits: nobody is asked what everybody knows."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Executable, Row

from streamzip.store.queues import LeftOut
from streamzip.store.reading import Reads
from streamzip.store.repository import Repository
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32


def settle(database: Path) -> None:
    """Have the database's files look as if they had last been written a minute ago."""
    for path in (database, database.with_name(f"{database.name}-wal")):
        os.utime(path, (time.time() - 60,) * 2)


async def test_empty_queue_is_asked_again_only_after_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wrote: a job that another process queued is found at the next look."""
    asked, rows = [], Reads.rows

    async def counted(self: Reads, query: Executable, **values: Any) -> Sequence[Row[Any]]:
        asked.append(query)
        return await rows(self, query, **values)

    database = tmp_path / "streamzip.db"
    one, other = await Repository.open(database), await Repository.open(database)
    try:
        await other.create(an_archive(HASH), sealed())
        none = LeftOut.of([], [])
        await one.jobs.next_due(none)  # a reader's first connection touches the files
        settle(database)
        assert await one.jobs.next_due(none) is None
        monkeypatch.setattr(Reads, "rows", counted)
        assert await one.jobs.next_due(none) is None
        assert await one.jobs.due(10.0, longest=60.0, left_out=none) == []
        assert await one.jobs.waiting(10.0, longest=60.0, left_out=none, no_room=False) == {}
        assert asked == []
        await other.jobs.add(HASH, now=5.0)
        assert [job.hash for job in await one.jobs.due(10.0, longest=60.0, left_out=none)] == [HASH]
        assert await one.jobs.next_due(none) == 5.0
    finally:
        await one.close()
        await other.close()
