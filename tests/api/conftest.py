"""What these tests share: a running gateway, its origin, and the readers of zip files."""

import pytest

pytest.register_assert_rewrite("tests.support.gateway", "tests.support.unzippers")

from tests.support.fixtures import gateway, launch, origin, readers  # noqa: E402 - after what they are rewritten by

__all__ = ["gateway", "launch", "origin", "readers"]
