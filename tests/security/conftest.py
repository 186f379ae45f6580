"""What these tests share: an origin, a running gateway, and the fixture that launches others."""

import pytest

pytest.register_assert_rewrite("tests.support.gateway", "tests.support.unzippers")

from tests.support.fixtures import gateway, launch, origin  # noqa: E402 - after what they are rewritten by

__all__ = ["gateway", "launch", "origin"]
