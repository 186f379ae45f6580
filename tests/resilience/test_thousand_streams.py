"""A thousand archives that nobody had asked for before, each with a slow reader of its own, all at once: what they cost
in memory, and that each has its own bytes.
"""

import asyncio
import contextlib
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.paced import Paced, Repeating

FIRST = 64 << 10  # bytes that each reader takes before all of them have
SLOWLY = 8 << 10  # bytes that it takes at once, as long as others are still without
AT_ONCE = 40  # that end at the same time, in the test's memory
BASE, A_STREAM = 300_000_000, 256_000  # bytes that the gateway may have resident


@dataclass
class Streams:
    """Readers of an archive each. `all_have` is set once each of them has some of it; set `hurry` to have them end."""

    port: int
    count: int
    size: int
    begun: int = 0
    all_have: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    ending: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def read(self, number: int, hash: str) -> None:
        """One archive from its first byte to its last; AssertionError where it is not the right one."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=SLOWLY)
        try:
            writer.write(f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert head.startswith("http/1.1 200"), head
            length = int(head.partition("content-length:")[2].split()[0])
            body = bytearray(await reader.readexactly(FIRST))
            self.begun += 1
            if self.begun == self.count:
                self.all_have.set()
            while not self.hurry.is_set():
                body += await reader.readexactly(SLOWLY)
                assert len(body) < length // 2, "they were not all under way within the time"
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(2.0):
                        await self.hurry.wait()
            async with self.ending:
                body += await reader.readexactly(length - len(body))
            assert await reader.read() == b""
        finally:
            writer.transport.abort()
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.testzip() is None
            (name,) = archive.namelist()
            right = Repeating(self.size, number)
            assert same(archive.read(name), right, self.size), f"archive {number} has another's bytes"


def same(body: bytes, right: Repeating, size: int) -> bool:
    """Whether these are the bytes."""
    step = 1 << 18
    pieces = ((at, min(at + step, size)) for at in range(0, size, step))
    return len(body) == size and all(body[start:stop] == right[start:stop] for start, stop in pieces)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("size", "settings"),
    [
        pytest.param(3 << 19, {}, id="with copies"),
        pytest.param(4 << 20, {"cache_max_bytes": "0", "stream_memory_bytes": "128MiB"}, id="without"),
    ],
)
def test_thousand_cold_streams_cost_bounded_memory(
    size: int, settings: dict[str, str], tmp_path: Path, count: int = 1000
) -> None:
    """From an origin that is faster than the readers, all pulled at the same time, files that are not held whole: no
    more than 300 MB and 256 kB for each resident at any time, and every byte right.
    """
    with (
        Paced(rate=1 << 40, size=size) as origin,
        Gateway(
            tmp_path / "data",
            allow=[origin.authority],
            under=["prlimit", "--nofile=16384:16384"],
            connections_per_origin=str(count + 100),
            probe_wait="60",
            **settings,
        ) as gateway,
    ):
        hashes = [gateway.create(urls=[origin.url(f"/{number}.png")])["archive_hash"] for number in range(count)]
        idle = gateway.memory()

        async def crowd() -> int:
            streams = Streams(gateway.port, count, size)
            async with asyncio.TaskGroup() as group:
                for number, hash in enumerate(hashes):
                    group.create_task(streams.read(number, hash))
                await streams.all_have.wait()
                before = -1
                while (sent := await asyncio.to_thread(origin.sent)) != before:  # until nothing more fits in anywhere
                    before = sent
                    await asyncio.sleep(2.0)
                under_way = gateway.memory()
                streams.hurry.set()
            return under_way

        under_way = asyncio.run(crowd())
        peak = gateway.peak_memory()
        print(f"{count} streams: idle {idle >> 20}, under way {under_way >> 20}, peak {peak >> 20} MiB")
        assert peak <= BASE + A_STREAM * count
