"""One real archive past 4 GiB: a member of 2^32 + 1 bytes, another behind it, and what it costs in memory."""

import zlib
from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.nginx import NginxOrigin
from tests.support.unzippers import PROGRAMS, Content, Readers, bsdtar, python, seven_zip, unzip

SIZE = (1 << 32) + 1
MIB = 1 << 20


def crc_of_zeros(size: int) -> int:
    """The CRC-32 of that many zero bytes."""
    block, crc = bytes(16 * MIB), 0
    for _ in range(size // len(block)):
        crc = zlib.crc32(block, crc)
    return zlib.crc32(bytes(size % len(block)), crc)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.needs("nginx", *PROGRAMS)
def test_an_archive_past_four_gib_is_clean_and_takes_little_memory(readers: Readers, tmp_path: Path) -> None:
    """Streamed while it is pulled: at most 64 MiB of memory over idle, its exact length, and clean in every reader."""
    root = tmp_path / "files"
    root.mkdir()
    with (root / "zeros.bin").open("wb") as sparse:
        sparse.truncate(SIZE)
    (root / "behind.txt").write_bytes(b"beyond 4 GiB")
    wanted = [Content("zeros.bin", SIZE, crc_of_zeros(SIZE)), Content("behind.txt", 12, zlib.crc32(b"beyond 4 GiB"))]
    with (
        NginxOrigin(tmp_path / "nginx", root) as origin,
        Gateway(tmp_path / "data", allow=[origin.authority]) as gateway,
    ):
        first = gateway.create(urls=[origin.url("/behind.txt")])["archive_hash"]
        gateway.download(first)  # so that idle is what it is after any work at all
        idle = gateway.memory()
        hash = gateway.create(urls=[origin.url("/zeros.bin"), origin.url("/behind.txt")])["archive_hash"]
        length = 0
        with gateway.client.stream("GET", f"/archive/get/{hash}.zip") as response:
            for block in response.iter_raw():
                length += len(block)
        assert length == int(response.headers["content-length"]) > SIZE
        assert gateway.peak_memory() - idle <= 64 * MIB
        gateway.until(hash, seconds=300)
        copy = gateway.copy(hash)
        assert copy.stat().st_size == length
        assert python(copy) == wanted
        assert readers.java("file", copy) == wanted
        unzip(copy)
        seven_zip(copy, files=2)
        assert bsdtar(copy) == ["zeros.bin", "behind.txt"]
    copy.unlink()  # pytest keeps the folders of its last three runs
