"""The port of the bucket: finished copies in storage that several gateways reach, an object each, by its key.

    s3.py     S3 and what speaks as it does, through obstore
    fake.py   the least that does it all, for tests

tests/contract/test_buckets.py holds both to what is said here. An object is whole or not there: what is being put is
seen by nobody, and neither is what was broken off.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from streamzip.spans import Data


class BucketError(Exception):
    """The bucket did not do what it was asked. Its text is for the operator, and holds no credential."""


class Missing(BucketError):
    """There is no such object."""


class Away(BucketError):
    """The bucket does not answer, or not in time, or with an error of its own: later it may."""


class Refused(BucketError):
    """The bucket is not there, or does not allow it: trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object that is there: its key, its size in bytes, and when it was last written (epoch s, the bucket's
    clock).
    """

    key: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Told:
    """The header fields that whoever fetches the object by a link is told."""

    content_type: str
    content_disposition: str


class Bucket(Protocol):
    """Objects by key. Every method may raise Away and Refused."""

    async def put(self, key: str, runs: AsyncIterator[bytes], *, size: int, told: Told | None = None) -> None:
        """Put an object of `size` bytes in its place, over one that is there. What `runs` raises is raised, and nothing
        is put.
        """

    async def create(self, key: str, content: bytes) -> bool:
        """Put a small object where there is none; False where there is one: of several at once one is put.

        Raises Refused where the bucket cannot tell.
        """

    async def read(self, key: str, start: int, stop: int) -> Data:
        """Return the bytes `[start, stop)` of the object, or as many of them as it has. Raises Missing."""

    async def size(self, key: str) -> int | None:
        """Return the object's size in bytes; None where it is not there."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are no error."""

    def listed(self) -> AsyncIterator[Sequence[Listed]]:
        """Yield what is there, a page at a time."""

    async def link(self, key: str, *, lasts: int) -> str:
        """Return a URL by which whoever has it may fetch the object for `lasts` seconds."""
