"""PostgreSQL stopped, killed, frozen: those who ask are told soon, what was acknowledged is there, and all goes on."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from streamzip.errors import NotReady
from streamzip.store.dialects import postgresql as dialect
from streamzip.store.dialects.postgresql import Postgresql
from streamzip.store.repository import Repository
from tests.support.postgresql import PostgreSQL, running
from tests.unit.store.builders import an_archive, sealed

pytestmark = pytest.mark.needs("postgresql")


@pytest.fixture(scope="module")
def module_server() -> Iterator[PostgreSQL]:
    with running() as server:
        yield server


@pytest.fixture
def server(module_server: PostgreSQL) -> PostgreSQL:
    """A server that may be ended; the next test has it running again."""
    if not module_server.answers():
        module_server.start()
    return module_server


@pytest.fixture
async def repository(server: PostgreSQL) -> AsyncIterator[Repository]:
    repository = await Repository.connect(Postgresql(server.fresh_url()))
    yield repository
    await repository.close()


async def _until_it_works(repository: Repository) -> float:
    """Create until it goes through; the seconds that took."""
    began = time.monotonic()
    while True:
        try:
            await repository.create(an_archive("f" * 32), sealed())
        except NotReady:
            assert time.monotonic() - began < 20
            await asyncio.sleep(0.02)
        else:
            return time.monotonic() - began


async def _is_refused(repository: Repository) -> None:
    for ask in (repository.get("a"), repository.create(an_archive(), sealed()), repository.overview.ping()):
        with pytest.raises(NotReady) as caught:
            await ask
        assert caught.value.code == "store_unavailable"
        assert caught.value.retry_after


async def test_acknowledged_creates_are_there_when_the_server_is_killed(
    repository: Repository, server: PostgreSQL
) -> None:
    """kill -9 in mid-create: whoever was answered finds its archive after the restart, through the same gateway."""
    acknowledged: list[str] = []
    enough = asyncio.Event()

    async def create(start: int) -> None:
        for number in range(start, 10**9, 8):
            try:
                await repository.create(an_archive(f"{number:032x}"), sealed(b"x" * 500), build=True)
            except NotReady:
                return
            acknowledged.append(f"{number:032x}")
            if len(acknowledged) == 200:
                enough.set()

    creating = [asyncio.create_task(create(start)) for start in range(8)]
    await enough.wait()
    server.kill()
    await asyncio.gather(*creating)
    server.start()
    assert await _until_it_works(repository) < 10
    for hash in acknowledged:
        assert await repository.get(hash) is not None
        assert await repository.manifest(hash) == sealed(b"x" * 500)
        assert await repository.jobs.pending(hash) is not None


async def test_store_is_away_and_comes_back_when_the_server_is_restarted(
    repository: Repository, server: PostgreSQL
) -> None:
    """Everybody is told at once that it is away, and what was there is there when it is back."""
    await repository.create(an_archive(), sealed())
    server.stop()
    began = time.monotonic()
    await asyncio.gather(*(_is_refused(repository) for _ in range(50)))
    assert time.monotonic() - began < 5
    server.start()
    assert await _until_it_works(repository) < 10
    assert await repository.get("a" * 32) == an_archive()


async def test_callers_are_told_within_seconds_when_the_server_hangs(
    server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is stopped keeps its connections and answers nothing: who asks is told in bounded time."""
    monkeypatch.setattr(dialect, "WITHIN", 0.5)
    repository = await Repository.connect(Postgresql(server.fresh_url()))
    server.send(signal.SIGSTOP)
    began = time.monotonic()
    await asyncio.gather(*(_is_refused(repository) for _ in range(20)))
    assert time.monotonic() - began < 5
    server.send(signal.SIGCONT)
    await _until_it_works(repository)
    await repository.close()
