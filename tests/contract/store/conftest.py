"""The store over each database that it may be in, and as many gateways on one store as a test wants."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streamzip.store.dialects import Dialect, dialect_of
from streamzip.store.repository import Repository
from tests.support import postgresql

OnPostgresql = pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))


@dataclasses.dataclass
class Place:
    """Where one store is; each `open` is another gateway's connection to it."""

    dialect: Callable[[], Dialect]
    opened: list[Repository] = dataclasses.field(default_factory=list)

    async def open(self) -> Repository:
        """Open the store once more, until the test's end."""
        repository = await Repository.connect(self.dialect())
        self.opened.append(repository)
        return repository


@pytest.fixture(params=["sqlite", OnPostgresql])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """A new store."""
    url = postgresql.shared().fresh_url() if request.param == "postgresql" else None
    place = Place(lambda: dialect_of(url, tmp_path))
    yield place
    for repository in place.opened:
        await repository.close()


@pytest.fixture
async def repository(place: Place) -> Repository:
    """The new store, opened."""
    return await place.open()
