"""What these tests share."""

from collections.abc import Iterator

import pytest

from streamzip.assembly import extents


@pytest.fixture(scope="module", autouse=True)
def apart() -> Iterator[None]:
    """Extents of a few bytes stay apart, as those of some megabytes do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extents, "CHAINED", 0)
        yield
