"""Many readers of one archive, who come, take their time, and leave."""

import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import pytest

from tests.support.crowd import Crowd, read
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.paced import Paced
from tests.support.workers import workers

MIB = 1 << 20
LARGE = 64 * MIB


def read_so_far(gateway: Gateway) -> int:
    """Bytes that the gateway has had from reads, of files too (proc(5), /proc/pid/io)."""
    return int(Path(f"/proc/{gateway.pid}/io").read_text().split()[1])


def test_nothing_more_is_read_for_a_reader_that_has_left(launch: Launch, origin: Origin) -> None:
    """A socket that fails takes whatever is sent, at once: all the rest of a finished archive was read in one turn of
    the loop, in which nobody else was served.
    """
    origin.serve("/left/file.png", File(Pattern(LARGE)))
    gateway = launch()
    hash = gateway.create(urls=[origin.url("/left/file.png")])["archive_hash"]
    gateway.download(hash)
    gateway.until(hash)
    before = read_so_far(gateway)
    for _ in range(4):
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leaves with a reset
            client.sendall(f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            client.recv(1000)
    gateway.until(hash, lambda status: not status["active"])
    assert read_so_far(gateway) - before < LARGE


def test_readers_at_their_own_speeds_make_one_upstream_pass(launch: Launch, origin: Origin) -> None:
    """Slow ones and fast ones over two workers: everybody has every byte, and each was pulled once."""
    files = {"/crowd/small.png": 100_000, "/crowd/long.png": 3 * MIB, "/crowd/parts.png": 17 * MIB}
    for path, size in files.items():
        origin.serve(path, File(Pattern(size)))
    gateway = launch(workers="2")
    workers(gateway)
    urls = [origin.url(path) for path in files]
    whole = gateway.download(gateway.create(urls=urls)["archive_hash"])
    hash = gateway.create(urls=urls, filename="crowd.zip")["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    before = {path: origin.sent(path) for path in files}
    with Crowd(gateway.port, hash, whole, count=9, rate=MIB) as crowd, ThreadPoolExecutor(3) as pool:
        fast = [pool.submit(gateway.download, hash) for _ in range(3)]
        assert all(each.result() == whole for each in fast)
        crowd.finish()
    assert {path: origin.sent(path) - before[path] for path in files} == files


@pytest.mark.slow
@pytest.mark.needs("curl", "cmp")
@pytest.mark.parametrize("count", [1, 25])
def test_fast_reader_is_as_fast_among_slow_ones_as_alone(count: int, tmp_path: Path) -> None:
    """Fifty readers over two workers, behind a line that is slower than the machine, so that this is measured and not
    how many processors there are: at most 1.2 times the time alone, medians of three; and a first byte comes soon,
    whichever worker pulls it. One pass over the origin; every byte of every reader is right.
    """
    size = 48 * MIB
    with (
        Paced(rate=12 * MIB, size=size // 4) as origin,
        Gateway(tmp_path / "data", allow=[origin.authority], workers="2") as gateway,
    ):
        workers(gateway)
        urls = [origin.url(f"/{number}.png") for number in range(4)]

        def new(name: str) -> str:
            hash: str = gateway.create(urls=urls, filename=name)["archive_hash"]
            gateway.client.head(f"/archive/get/{hash}.zip")
            return hash

        whole = tmp_path / "whole.zip"
        whole.write_bytes(gateway.download(new("first.zip")))
        alone, among = [], []
        for repeat in range(3):
            alone += read(gateway.port, new(f"alone {repeat}.zip"), whole, 1)
            hash = new(f"among {repeat}.zip")
            before = origin.sent()
            with Crowd(gateway.port, hash, whole.read_bytes(), count=50 - count, rate=MIB // 2) as crowd:
                among += read(gateway.port, hash, whole, count)
                crowd.finish()
            assert origin.sent() - before == size
        ratio = median(taken.seconds for taken in among) / median(taken.seconds for taken in alone)
        first_byte = median(taken.first_byte for taken in among)
        print(f"{count} fast: {ratio:.2f} times as long as alone; first byte after {first_byte:.3f} s")
        assert ratio <= 1.2, (alone, among)
        assert first_byte <= 1.0, among
