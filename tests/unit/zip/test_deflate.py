"""Deflate: the same bytes however the input is cut and however many threads there are."""

import asyncio
import contextlib
import hashlib
import subprocess
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.zip import deflate as compression
from streamzip.zip.deflate import BLOCK, compressor_identity, deflate, deflate_block, deflated, shrinks

CONTENT = bytes(range(256)) * (2 * BLOCK // 256) + b"!"


@cache
def prose(length: int) -> bytes:
    """Text that compresses, without a period that blocks could hide behind."""
    words = (hashlib.sha256(b"%d" % number).hexdigest()[:6].encode() for number in range(length // 6 + 1))
    return b" ".join(words)[:length]


async def chunked(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


async def collected(chunks: Sequence[bytes], pool: Executor, *, ahead: int = 3) -> bytes:
    return b"".join([block async for block in deflated(chunked(chunks), pool, ahead=ahead)])


def inflated(compressed: bytes) -> bytes:
    """What zlib makes of one whole raw deflate stream."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    content = stream.decompress(compressed) + stream.flush()
    assert stream.eof
    assert not stream.unused_data
    return content


@pytest.mark.parametrize("length", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1])
async def test_deflated_gives_what_deflate_gives_at_every_block_edge(length: int, pool: Executor) -> None:
    """Streamed or at once, the bytes are the same, and zlib inflates them to the content."""
    content = prose(length)
    compressed = deflate(content)
    assert inflated(compressed) == content
    assert await collected([content], pool) == compressed


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 3 * BLOCK), max_size=8), st.integers(1, 4))
def test_deflated_does_not_depend_on_how_its_input_was_cut(cuts: list[int], ahead: int) -> None:
    """Any cuts, empty chunks among them, and any number of blocks ahead give the same bytes."""
    content = prose(3 * BLOCK - 7)
    edges = [0, *sorted(cuts), len(content)]
    chunks = [content[start:stop] for start, stop in pairwise(edges)]
    with ThreadPoolExecutor(2) as pool:
        assert asyncio.run(collected(chunks, pool, ahead=ahead)) == deflate(content)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=30))
def test_deflated_does_not_depend_on_cuts_with_many_blocks(chunks: list[bytes]) -> None:
    """With small blocks there are many edges: content of any kind, in any chunks."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(compression, "BLOCK", 64)
        compressed = asyncio.run(collected(chunks, pool))
        assert compressed == deflate(b"".join(chunks))
    assert inflated(compressed) == b"".join(chunks)


def test_deflate_grows_random_data_by_less_than_a_sixty_fourth() -> None:
    """The layout leaves so much room below the ZIP64 limit for data that does not compress."""
    content = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(2 * BLOCK // 32))
    assert len(deflate(content)) <= len(content) + len(content) // 64


class CountingPool(Executor):
    """Runs each block when it is asked to, and notes how many were out at the same time."""

    def __init__(self) -> None:
        self.running: list[tuple[Future[Any], Any]] = []
        self.most = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.running.append((future, lambda: fn(*args, **kwargs)))
        self.most = max(self.most, len(self.running))
        return future

    def run_one(self, index: int = 0) -> None:
        future, work = self.running.pop(index)
        if future.set_running_or_notify_cancel():
            future.set_result(work())


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize("ahead", [1, 3])
async def test_deflated_has_at_most_so_many_blocks_compressed_at_once(
    ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast the input comes, memory is bounded by the blocks ahead; their order is that of the content."""
    monkeypatch.setattr(compression, "BLOCK", 64)
    pool, content = CountingPool(), prose(640)
    task = asyncio.create_task(collected([content], pool, ahead=ahead))
    while not task.done():
        await _settle()
        if pool.running:
            pool.run_one(-1)  # the latest first: what is done early waits for its turn
    assert task.result() == deflate(content)
    assert pool.most == ahead


async def test_deflated_gives_its_blocks_up_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that leaves does not have the blocks compressed that were queued for it."""
    monkeypatch.setattr(compression, "BLOCK", 64)
    pool = CountingPool()
    task = asyncio.create_task(collected([prose(640)], pool))
    await _settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pool.running
    assert all(future.cancelled() for future, _ in pool.running)


async def test_deflated_ends_with_the_error_of_its_input(pool: Executor) -> None:
    """A pull that breaks must not end as a whole stream."""

    async def broken() -> AsyncIterator[bytes]:
        yield prose(2 * BLOCK + 5)
        raise ConnectionResetError

    got = []
    with pytest.raises(ConnectionResetError):
        async for block in deflated(broken(), pool, ahead=1):
            got.append(block)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    stream.decompress(b"".join(got))
    assert not stream.eof


def test_deflate_block_lets_other_threads_run() -> None:
    """Blocks compress in parallel: the result of two at once is that of one after the other."""
    content, results = prose(BLOCK), dict[int, bytes]()
    threads = [
        threading.Thread(target=lambda n=number: results.update({n: deflate_block(content, False)}))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results.values()) == {deflate_block(content, False)}


@pytest.mark.parametrize(("kept", "expected"), [(0, True), (96, True), (97, False), (100, False), (105, False)])
def test_shrinks_from_three_per_cent_on(kept: int, expected: bool) -> None:
    """A first block that keeps 97 % or more is stored."""
    assert shrinks(bytes(100), bytes(kept)) is expected


def test_shrinks_is_false_for_an_empty_member() -> None:
    """Nothing does not get smaller."""
    assert not shrinks(b"", deflate(b""))


def test_compressor_identity_is_the_same_in_another_process() -> None:
    """It depends on the compressor alone: not on hashing, time or process."""
    code = "from streamzip.zip.deflate import compressor_identity as name; print(name(), end='')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout == compressor_identity()
    assert len(other.stdout) == 16


@pytest.mark.parametrize(("name", "value"), [("LEVEL", 1), ("BLOCK", 1 << 16)])
def test_compressor_identity_changes_with_the_compressor(
    name: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another level or block size compresses to other bytes, and an archive begun before must be told so."""
    before = compressor_identity()
    monkeypatch.setattr(compression, name, value)
    assert compressor_identity() != before


async def test_deflated_gives_what_is_compressed_while_the_next_chunk_is_long_in_coming() -> None:
    """Four blocks that came at once, from an origin that then fell silent, were with no reader until it spoke again."""
    silent = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield CONTENT
        await silent.wait()

    with ThreadPoolExecutor(2) as pool:
        async with contextlib.aclosing(deflated(chunks(), pool, ahead=3)) as blocks:
            async with asyncio.timeout(10):
                given = [await anext(blocks), await anext(blocks)]
            silent.set()
            given += [block async for block in blocks]
    assert zlib.decompress(b"".join(given), -zlib.MAX_WBITS) == CONTENT
