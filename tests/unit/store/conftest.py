"""A store in a folder of its own, and the rows the tests put in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamzip.store.repository import Repository


@pytest.fixture
async def repository(tmp_path: Path) -> AsyncIterator[Repository]:
    repository = await Repository.open(tmp_path / "streamzip.db")
    yield repository
    await repository.close()
