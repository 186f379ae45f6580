"""Reading an archive's object: proven runs, or none."""

import asyncio
import os
from typing import Any, cast

import pytest

from streamzip.archives.objects import LEFT_ALONE, ArchiveObjects
from streamzip.objects.content import Checksums, Content, block_of
from streamzip.objects.fake import FakeBucket
from streamzip.objects.port import Away, Refused
from streamzip.objects.reads import ObjectLost
from streamzip.spool.memory import Memory
from streamzip.store.rows import Sealed
from tests.unit.store.builders import an_archive

BODY = os.urandom((3 << 20) + 5)


class Clock:
    now = 0.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Store:
    """What of the store these ask: one document, until it is forgotten."""

    def __init__(self, body: bytes) -> None:
        self.sealed: Sealed | None = Sealed(body, "k1", "")
        self.forgotten: list[str] = []

    async def document(self, _hash: str) -> Sealed | None:
        return self.sealed

    async def forget(self, _hash: str, key: str) -> bool:
        self.forgotten.append(key)
        self.sealed = None
        return True


class Bench:
    def __init__(self) -> None:
        checksums = Checksums(block_of(len(BODY)))
        checksums.add(BODY)
        content = Content(
            key="key",
            size=len(BODY),
            block=checksums.block,
            crcs=checksums.finish(),
            frozen_at=1,
            provable=True,
            container="zip",
        )
        self.bucket, self.clock, self.store = FakeBucket(), Clock(), Store(content.encode())
        self.bucket.objects["key"] = BODY
        self.row = an_archive(completed_at=9.0, size=len(BODY))
        vault: Any = type("Vault", (), {"unseal": lambda _self, _kind, _hash, sealed: sealed.body})()
        self.objects = ArchiveObjects(self.bucket, cast(Any, self.store), vault, self.clock, Memory(64 << 20))

    async def read(self, start: int, stop: int) -> bytes:
        content = await self.objects.find(self.row)
        assert content is not None
        given = b""
        try:
            async for run in self.objects.read(content, start, stop):
                given += run
        except ObjectLost as lost:
            await self.objects.give_up(self.row, content, lost)
            assert BODY[start : start + len(given)] == given  # never a wrong byte
            raise
        return given


@pytest.mark.parametrize("span", [(0, len(BODY)), (1, 2), (300_000, 2_900_001), (len(BODY) - 1, len(BODY)), (5, 5)])
async def test_any_range_is_read(span: tuple[int, int]) -> None:
    """Whatever blocks it begins and ends in."""
    assert await Bench().read(*span) == BODY[slice(*span)]


@pytest.mark.parametrize("at", [0, 300_000, len(BODY) - 1])
async def test_damaged_object_gives_no_wrong_byte_and_is_forgotten(at: int) -> None:
    """Everything before the damaged block may be given out; then all gateways forget the object."""
    bench = Bench()
    bench.bucket.objects["key"] = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
    with pytest.raises(ObjectLost):
        await bench.read(0, len(BODY))
    assert bench.store.forgotten == ["key"]
    assert await bench.objects.find(bench.row) is None


@pytest.mark.parametrize("failure", [Away("503 SlowDown"), Refused("403 AccessDenied")])
async def test_bucket_that_fails_is_left_alone_for_a_while(failure: Exception) -> None:
    """Nobody waits for it meanwhile, and the object is not forgotten."""
    bench = Bench()
    bench.bucket.fails = cast(Any, failure)
    with pytest.raises(ObjectLost):
        await bench.read(0, 1)
    assert await bench.objects.find(bench.row) is None
    bench.bucket.fails = None
    bench.clock.now += LEFT_ALONE
    assert await bench.read(0, 10) == BODY[:10]
    assert bench.store.forgotten == []


async def test_object_of_an_archive_that_had_the_same_hash_is_not_taken() -> None:
    """It was deleted and created anew: what was remembered is the other's."""
    bench = Bench()
    assert await bench.objects.find(bench.row) is not None
    bench.store.sealed = None
    assert await bench.objects.find(an_archive(completed_at=10.0, size=len(BODY))) is None
    assert await bench.objects.find(an_archive(completed_at=None, size=None)) is None


async def test_reader_that_leaves_ends_what_is_read_ahead() -> None:
    """No read is left behind."""
    bench = Bench()
    content = await bench.objects.find(bench.row)
    assert content is not None
    runs = bench.objects.read(content, 0, len(BODY))
    await anext(runs)
    await runs.aclose()
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
