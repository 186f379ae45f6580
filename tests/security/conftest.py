"""What these tests share: an origin and the fixtures that launch gateways."""

import pytest

pytest.register_assert_rewrite("tests.support.gateway", "tests.support.unzippers")

from tests.support.fixtures import launch, origin  # noqa: E402 - after what they are rewritten by

__all__ = ["launch", "origin"]
