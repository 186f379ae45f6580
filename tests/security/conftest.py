"""What these tests share: an origin and the fixtures that launch gateways."""

from tests.support.fixtures import launch, origin

__all__ = ["launch", "origin"]
