"""What would use the gateway up: endless answers, bombs, silent crowds, a full disk, hardly any descriptors. Each costs
what its limit says, nothing wrong is given out, and service goes on.
"""

import asyncio
import contextlib
import gzip
import io
import json
import os
import socket
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.test_main_flow import reading, receive, unpacked
from tests.support.clients import Taken, asked_meanwhile, drip, take
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Raw

MIB = 1 << 20
NO_END = Raw(b"HTTP/1.1 200 OK\r\n\r\n", tail=bytes(range(256)) * 256)


def on_disk(folder: Path) -> int:
    """Bytes that the files beneath take."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def limited(files: int) -> list[str]:
    """What starts a command with so many descriptors."""
    return ["prlimit", f"--nofile={files}:{files}"]


def eventually(so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what happens in the background."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- what origins send -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["32MiB", "0"], ids=["with a copy", "without"])
def test_endless_body_costs_no_more_than_its_limits(launch: Launch, origin: Origin, kept: str) -> None:
    """The copy ends where the copies' room does, memory stays, and the reader has more than either could hold."""
    gateway = launch(cache_max_bytes=kept)
    origin.serve("/endless/body", NO_END)
    hash = gateway.create(urls=[origin.url("/endless/body")], compression="store")["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    idle = gateway.memory()
    with reading(gateway, f"/archive/get/{hash}.zip") as client:
        received, size = receive(client, 1000), 1000
        assert received.startswith(b"HTTP/1.1 200 ")
        while size < 256 * MIB:
            block = client.recv(1 << 20)
            assert block, f"cut at {size}"
            size += len(block)
    assert gateway.peak_memory() - idle < 64 * MIB
    assert on_disk(gateway.data / "spool") <= 33 * MIB
    assert gateway.client.get("/healthz").status_code == 200


def test_endless_header_costs_nothing(launch: Launch, origin: Origin) -> None:
    """An entry whose origin never comes to its first byte is left out, as one that talks nonsense."""
    gateway = launch(max_attempts="1")
    origin.serve("/endless/fields", Raw(b"HTTP/1.1 200 OK\r\n", tail=b"X-A: bcdefghijk\r\n" * 4096))
    origin.serve("/endless/field", Raw(b"HTTP/1.1 200 OK\r\nX-A: ", tail=b"x" * 65536))
    origin.serve("/endless/line", Raw(b"HTTP/1.1 200 ", tail=b"x" * 65536))
    origin.serve("/endless/right", File(b"right"))
    names = ("fields", "field", "line", "right")
    hash = gateway.create(urls=[origin.url(f"/endless/{name}") for name in names])["archive_hash"]
    idle = gateway.memory()
    assert unpacked(gateway.download(hash))["right"] == b"right"
    assert [error["code"] for error in gateway.status(hash)["errors"]] == ["bad_answer"] * 3
    assert gateway.peak_memory() - idle < 64 * MIB


def test_gzip_bomb_is_not_opened(launch: Launch, origin: Origin) -> None:
    """A gibibyte that a mebibyte unfolds to: left out where it came unasked, a file like any other where it is one; as
    a request's body it is no JSON.
    """
    bomb = gzip.compress(bytes(1 << 30), 9)
    gateway = launch()
    idle = gateway.memory()
    origin.serve("/bomb/encoded", File(bomb, encoding="gzip"))
    origin.serve("/bomb/file.gz", File(bomb))
    hash = gateway.create(urls=[origin.url("/bomb/encoded"), origin.url("/bomb/file.gz")])["archive_hash"]
    assert unpacked(gateway.download(hash))["file.gz"] == bomb
    assert [error["code"] for error in gateway.status(hash)["errors"]] == ["content_encoded"]
    refused = gateway.client.post("/api/archive/create", content=bomb, headers={"Content-Encoding": "gzip"})
    assert refused.status_code == 400
    assert gateway.peak_memory() - idle < 64 * MIB
    assert on_disk(gateway.data / "spool") < 8 * MIB


# -- a full disk -----------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a container that may not mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Take all that the disk has left; the file that has it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


PATTERN = File(Pattern(12 * MIB))
VALIDATED = {
    "strong": PATTERN,
    "dated": replace(PATTERN, etag=None),
    "bare": replace(PATTERN, etag=None, modified=None),
}


@pytest.mark.parametrize("shape", ["exact", "open"])
@pytest.mark.parametrize("kind", VALIDATED)
def test_download_goes_on_when_the_disk_fills_up_in_its_middle(
    tiny: Path, origin: Origin, kind: str, shape: str
) -> None:
    """Every byte is right, nothing is pulled twice but what its proof needs; log and status say so; and with room again
    a copy is made.
    """
    path, file = f"/full/{shape}/{kind}", VALIDATED[kind]
    if shape == "open":
        file = replace(file, chunked=True, ranges=False)
    origin.serve(f"{path}/file", replace(file, hold_at=6 * MIB))
    with Gateway(tiny / "data", allow=[origin.authority]) as gateway:
        hash = gateway.create(urls=[origin.url(f"{path}/file")])["archive_hash"]
        gateway.client.head(f"/archive/get/{hash}.zip")
        with reading(gateway, f"/archive/get/{hash}.zip") as client:
            received = bytearray(receive(client, 5 * MIB))
            filler = fill(tiny)
            origin.release(f"{path}/file")
            while not _ended(received):
                block = client.recv(1 << 18)
                assert block, f"cut at {len(received)}"
                received += block
        assert unpacked(_body(received)) == {"file": PATTERN.body[:]}
        gateway.logged("disk_full")
        assert gateway.status(hash)["copy_stopped"] == "disk_full"
        filler.unlink()
        assert gateway.download(hash) == _body(received)
        assert "copy_stopped" not in gateway.until(hash, lambda status: status["cached"])


@pytest.mark.parametrize("shape", ["exact", "open"])
@pytest.mark.parametrize("kind", VALIDATED)
def test_download_is_cut_when_the_file_changes_while_the_disk_fills_up(
    tiny: Path, origin: Origin, kind: str, shape: str
) -> None:
    """What comes through memory is of the version that the copy has begun with, or does not come."""
    path, file = f"/fuller/{shape}/{kind}", VALIDATED[kind]
    if shape == "open":
        file = replace(file, chunked=True, ranges=False)
    other = replace(file, body=PATTERN.body[:][::-1], etag=file.etag and '"v2"')
    origin.serve(f"{path}/file", replace(file, hold_at=6 * MIB))
    with Gateway(tiny / "data", allow=[origin.authority]) as gateway:
        hash = gateway.create(urls=[origin.url(f"{path}/file")])["archive_hash"]
        gateway.client.head(f"/archive/get/{hash}.zip")
        asked = len(origin.requests(f"{path}/file"))
        with reading(gateway, f"/archive/get/{hash}.zip") as client:
            received = bytearray(receive(client, 5 * MIB))
            fill(tiny)
            origin.until(lambda origin: len(origin.requests(f"{path}/file")) > asked)
            origin.serve(f"{path}/file", other)
            origin.release(f"{path}/file")
            with contextlib.suppress(ConnectionError):
                while block := client.recv(1 << 18):
                    received += block
        assert not _ended(received)
        given = _body(received) if shape == "exact" else bytes(received).partition(b"\r\n\r\n")[2]
        assert PATTERN.body[:][::-1][-MIB:] not in given


def _ended(received: bytearray) -> bool:
    head, _, _ = bytes(received[:2000]).partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        return received.endswith(b"\r\n0\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return len(received) >= len(head) + 4 + length


def _body(received: bytearray) -> bytes:
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return body
    whole, at = bytearray(), 0
    while size := int(body[at : (line := body.index(b"\r\n", at))], 16):
        whole += body[line + 2 : line + 2 + size]
        at = line + 4 + size
    return bytes(whole)


def test_archives_that_the_disk_cannot_hold_are_given_without_a_copy(tiny: Path, origin: Origin) -> None:
    """Longer than the disk: streamed; creates go on; copies that nobody reads make room for new ones."""
    origin.serve("/tiny/large", File(Pattern(60 * MIB), etag=None))
    for number in range(6):
        origin.serve(f"/tiny/{number}", File(Pattern(5 * MIB), etag=None))
    with Gateway(tiny / "data", allow=[origin.authority]) as gateway:
        large = gateway.create(urls=[origin.url("/tiny/large")])["archive_hash"]
        assert unpacked(gateway.download(large)) == {"large": Pattern(60 * MIB)[:]}
        for number in range(6):
            hash = gateway.create(urls=[origin.url(f"/tiny/{number}")])["archive_hash"]
            assert unpacked(gateway.download(hash)) == {str(number): Pattern(5 * MIB)[:]}
            gateway.until(hash)
        eventually(lambda: gateway.status(hash)["cached"])
        assert not [line for line in gateway.log if line["level"] == "error"]


def test_gateway_with_a_full_disk_refuses_creates_and_recovers(tiny: Path, origin: Origin) -> None:
    """503 with Retry-After, not a crash; what exists is given; with room again everything is as ever."""
    origin.serve("/refusing/a", File(Pattern(2 * MIB)))
    origin.serve("/refusing/b", File(b"b"))
    with Gateway(tiny / "data", allow=[origin.authority]) as gateway:
        hash = gateway.create(urls=[origin.url("/refusing/a")])["archive_hash"]
        gateway.client.head(f"/archive/get/{hash}.zip")
        filler = fill(tiny)
        assert unpacked(gateway.download(hash)) == {"a": Pattern(2 * MIB)[:]}
        refused = gateway.client.post("/api/archive/create", json={"urls": [origin.url("/refusing/b")]})
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        unready = gateway.client.get("/readyz")
        assert (unready.status_code, unready.json()["code"]) == (503, "disk_unavailable")
        filler.unlink()
        assert gateway.client.get("/readyz").status_code == 200
        again = gateway.create(urls=[origin.url("/refusing/b")])["archive_hash"]
        assert unpacked(gateway.download(again)) == {"b": b"b"}
        assert gateway.download(hash)
        gateway.until(hash, lambda status: status["cached"])


# -- hardly any descriptors ------------------------------------------------------------------------------


def test_gateway_says_what_it_needs_when_it_has_too_few_descriptors(tmp_path: Path) -> None:
    """One sentence, and the end."""
    gateway = Gateway(tmp_path / "data", under=limited(48))
    with pytest.raises(AssertionError, match="60 open files are needed at least, and this process may have 48"):
        gateway.start()
    assert gateway.ended() == 1


def test_gateway_serves_and_recovers_with_64_descriptors(origin: Origin, tmp_path: Path) -> None:
    """Forty clients of ten archives, most of them one too many: each gets the right bytes or is told to come again, and
    all get them in the end.
    """
    for number in range(10):
        origin.serve(f"/few/{number}", File(Pattern(2 * MIB + number), etag=None))
    with Gateway(tmp_path / "data", allow=[origin.authority], under=limited(64)) as gateway:
        hashes = [gateway.create(urls=[origin.url(f"/few/{number}")])["archive_hash"] for number in range(10)]
        idle = gateway.descriptors()

        async def one(number: int) -> Taken:
            while True:
                try:
                    taken = await take(gateway.port, f"/archive/get/{hashes[number]}.zip", pause=0.001)
                except OSError:
                    taken = Taken()
                if taken.status == 200 and taken.whole:
                    return taken
                assert taken.status in (0, 200, 503), taken
                await asyncio.sleep(0.1)

        async def crowd() -> list[Taken]:
            async with asyncio.timeout(60):
                return await asyncio.gather(*(one(number % 10) for number in range(40)))

        for number, taken in enumerate(asyncio.run(crowd())):
            assert unpacked(taken.body) == {str(number % 10): Pattern(2 * MIB + number % 10)[:]}
        eventually(lambda: gateway.descriptors() <= idle + 3)
        assert gateway.client.get("/readyz").status_code == 200
        assert not [line for line in gateway.log if line["level"] == "error"]


def test_silent_connections_make_room_when_there_are_too_many(origin: Origin, tmp_path: Path) -> None:
    """More of them than the gateway may have open: whoever asks is answered."""
    origin.serve("/silent/file", File(b"file"))
    with Gateway(tmp_path / "data", allow=[origin.authority], under=limited(64)) as gateway, ExitStack() as stack:
        hash = gateway.create(urls=[origin.url("/silent/file")])["archive_hash"]
        for _ in range(100):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), 5))
            client.sendall(b"GET /healthz HT")
            if _ % 20 == 19:
                assert unpacked(gateway.download(hash)) == {"file": b"file"}


# -- crowds ----------------------------------------------------------------------------------------------


def percentile(times: list[float], share: float) -> float:
    """The time that this share of them took at most."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


@pytest.mark.parametrize("clients", [pytest.param(40, id="40"), pytest.param(200, id="200", marks=pytest.mark.slow)])
def test_crowd_of_slow_and_leaving_clients_costs_bounded_memory_and_leaves_nothing(
    launch: Launch, origin: Origin, clients: int
) -> None:
    """Half of them slow, a tenth leaving: every byte right, up to 200 MB more, descriptors as before, status fast."""
    gateway = launch()
    descriptors = gateway.descriptors()
    size, archives = 4 * MIB, 20
    bodies = {}
    for number in range(archives):
        origin.serve(f"/crowd/{clients}/{number}", File(Pattern(size + number)))
        hash = gateway.create(urls=[origin.url(f"/crowd/{clients}/{number}")])["archive_hash"]
        gateway.client.head(f"/archive/get/{hash}.zip")
        bodies[hash] = Pattern(size + number)[:]
    hashes = list(bodies)
    idle = gateway.memory()

    async def crowd() -> list[Taken]:
        return await asyncio.gather(
            *(
                take(
                    gateway.port,
                    f"/archive/get/{hashes[number % archives]}.zip",
                    pause=0.05 if number % 2 else 0.0,
                    leave_at=MIB if number % 10 == 9 else None,
                )
                for number in range(clients)
            )
        )

    with asked_meanwhile(gateway.port, f"/api/archive/status/{hashes[0]}") as times:
        taken = asyncio.run(crowd())
    for number, each in enumerate(taken):
        assert each.status == 200
        if number % 10 != 9:
            with zipfile.ZipFile(io.BytesIO(each.body)) as archive:
                assert archive.read(archive.namelist()[0]) == bodies[hashes[number % archives]]
    grown = (gateway.peak_memory() - idle) / 1e6
    print(f"{clients} clients: +{grown:.0f} MB, status p99 {percentile(times, 0.99):.2f} s of {len(times)}")
    assert grown < 200
    assert percentile(times, 0.99) < 1.0
    eventually(lambda: abs(gateway.descriptors() - descriptors) <= 10)


@pytest.mark.parametrize(
    ("connections", "seconds"),
    [pytest.param(300, 3.0, id="300"), pytest.param(2000, 120.0, id="2000", marks=pytest.mark.slow)],
)
@pytest.mark.timeout(300)
def test_slow_loris_holds_nobody_up(launch: Launch, origin: Origin, connections: int, seconds: float) -> None:
    """Connections that drip a header or a body, for minutes: create and download take less than a second."""
    gateway = launch()
    origin.serve("/loris/file", File(Pattern(100_000)))
    head = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Drip: " + b"x" * 1000
    body = b"POST /api/archive/create HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b" " * 1000
    idle = gateway.descriptors()

    async def loris() -> list[float]:
        stop, times = asyncio.Event(), list[float]()
        dripping = [
            asyncio.create_task(drip(gateway.port, head if number % 2 else body, stop)) for number in range(connections)
        ]
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - began < seconds:
            times.append(await asyncio.to_thread(one, len(times)))
            await asyncio.sleep(0.2)
        stop.set()
        await asyncio.gather(*dripping)
        return times

    def one(number: int) -> float:
        began = time.perf_counter()
        hash = gateway.create(urls=[origin.url(f"/loris/file?{number}")])["archive_hash"]
        assert unpacked(gateway.download(hash)) == {"file": Pattern(100_000)[:]}
        return time.perf_counter() - began

    times = asyncio.run(loris())
    print(f"{connections} connections: create and download p99 {percentile(times, 0.99):.2f} s of {len(times)}")
    assert percentile(times, 0.99) < 2.0
    assert percentile(times, 0.5) < 1.0
    eventually(lambda: gateway.descriptors() <= idle + 10)
    assert json.loads(gateway.client.get("/readyz").content) == {"status": "ready"}
