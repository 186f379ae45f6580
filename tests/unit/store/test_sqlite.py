"""The store in a SQLite file: its modes, its size, its damages, and kill -9."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamzip.clock import SystemClock
from streamzip.errors import Damaged, NotReady
from streamzip.store.availability import Availability
from streamzip.store.dialects.sqlite import Sqlite
from streamzip.store.reading import Reads
from streamzip.store.repository import Repository
from streamzip.store.writer import Writer
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32


@pytest.fixture
async def repository(tmp_path: Path) -> AsyncIterator[Repository]:
    repository = await Repository.open(tmp_path / "db")
    yield repository
    await repository.close()


async def test_delete_gives_the_disk_back_when_the_manifest_was_large(tmp_path: Path) -> None:
    """A store does not stay as large as the largest thing that was ever in it."""
    repository = await Repository.open(tmp_path / "db")
    await repository.create(an_archive(), sealed(b"x" * 5_000_000))
    await repository.delete(HASH)
    await repository.close()
    assert os.stat(tmp_path / "db").st_size < 500_000


async def test_open_refuses_when_the_file_is_no_database(tmp_path: Path) -> None:
    """A damaged store is named as such, and nothing is written over it."""
    (tmp_path / "db").write_bytes(b"not a database" * 1000)
    with pytest.raises(Damaged):
        await Repository.open(tmp_path / "db")
    assert (tmp_path / "db").read_bytes() == b"not a database" * 1000


async def test_open_makes_files_for_the_owner_alone_when_the_umask_is_wide(tmp_path: Path) -> None:
    """Presigned URLs are credentials: neither the database nor its journal can be read by others."""
    before = os.umask(0)
    try:
        repository = await Repository.open(tmp_path / "db")
        await repository.create(an_archive(), sealed())
        modes = {name: stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in os.listdir(tmp_path)}
        await repository.close()
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("db", "db-wal", "db-shm", "db.opening"), 0o600)


async def test_ping_raises_when_the_store_cannot_be_read(repository: Repository, tmp_path: Path) -> None:
    """Readiness asks the store itself: one that works answers, one without its tables does not."""
    await repository.overview.ping()
    readers, engine = Sqlite(tmp_path / "empty").open(1)
    empty = Repository(
        Reads(readers, 1, Availability()), Writer(engine, Availability()), (readers, engine), SystemClock()
    )
    with pytest.raises(NotReady):
        await empty.overview.ping()
    await empty.close()


_ROOT = Path(__file__).parents[3]
_CREATOR = """
import asyncio, sys
from pathlib import Path
from streamzip.store.repository import Repository
from tests.unit.store.builders import an_archive, sealed

async def main():
    repository = await Repository.open(Path(sys.argv[1]))
    async def create(start):
        for number in range(start, 10**9, 8):
            await repository.create(an_archive(f"{number:032x}"), sealed(b"x" * 500), build=True)
            print(f"{number:032x}", flush=True)
    await asyncio.gather(*(create(start) for start in range(8)))

asyncio.run(main())
"""


async def test_create_survives_when_the_process_is_killed(tmp_path: Path) -> None:
    """Every create that was acknowledged before kill -9 is there afterwards, with its manifest and its job."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CREATOR, str(tmp_path / "db"), stdout=asyncio.subprocess.PIPE, cwd=_ROOT
    )
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).decode().strip() for _ in range(200)]
    child.send_signal(signal.SIGKILL)
    acknowledged += (await child.stdout.read()).decode().split("\n")[:-1]
    await child.wait()

    repository = await Repository.open(tmp_path / "db")
    for hash in acknowledged:
        assert await repository.get(hash) is not None
        assert await repository.manifest(hash) == sealed(b"x" * 500)
        assert await repository.jobs.pending(hash) is not None
    await repository.close()
