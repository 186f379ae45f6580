"""The least that is a bucket: objects in this process's memory. Stands for a real one in tests of one part."""

import time
from collections.abc import AsyncIterator, Sequence

from streamzip.objects.port import BucketError, Listed, Missing, Told
from streamzip.spans import Data


class FakeBucket:
    """See Bucket. `fails`: what every method raises, while it is set; `told`: of each object that was put with it."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.modified: dict[str, float] = {}
        self.told: dict[str, Told | None] = {}
        self.fails: BucketError | None = None

    async def put(self, key: str, runs: AsyncIterator[bytes], *, size: int, told: Told | None = None) -> None:
        """See Bucket."""
        self._check()
        content = b"".join([run async for run in runs])
        self._check()
        if len(content) != size:
            raise BucketError(f"{len(content)} bytes came, and not {size}")
        self._keep(key, content)
        self.told[key] = told

    async def create(self, key: str, content: bytes) -> bool:
        """See Bucket."""
        self._check()
        if key in self.objects:
            return False
        self._keep(key, content)
        return True

    def _keep(self, key: str, content: bytes) -> None:
        self.objects[key], self.modified[key] = content, time.time()

    async def read(self, key: str, start: int, stop: int) -> Data:
        """See Bucket."""
        self._check()
        if key not in self.objects:
            raise Missing(key)
        return self.objects[key][start:stop]

    async def size(self, key: str) -> int | None:
        """See Bucket."""
        self._check()
        return len(self.objects[key]) if key in self.objects else None

    async def delete(self, keys: Sequence[str]) -> None:
        """See Bucket."""
        self._check()
        for key in keys:
            self.objects.pop(key, None)

    async def listed(self) -> AsyncIterator[Sequence[Listed]]:
        """See Bucket."""
        self._check()
        yield [Listed(key, len(content), self.modified[key]) for key, content in self.objects.items()]

    async def link(self, key: str, *, lasts: int) -> str:
        """See Bucket."""
        self._check()
        return f"https://bucket.example/{key}?lasts={lasts}"

    def _check(self) -> None:
        if self.fails is not None:
            raise self.fails
