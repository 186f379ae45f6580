"""What these tests share: a running gateway, its origin, and the readers of zip files."""

from tests.support.fixtures import gateway, launch, origin, readers

__all__ = ["gateway", "launch", "origin", "readers"]
