"""What these tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamzip.assembly import extents
from streamzip.spool.shelf import Shelf


@pytest.fixture(scope="module", autouse=True)
def apart() -> Iterator[None]:
    """Extents of a few bytes stay apart, as those of some megabytes do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extents, "CHAINED", 0)
        yield


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, budget=1 << 30)
