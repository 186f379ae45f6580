"""A download that cannot be completed: its client has what was sent, and never takes that for the whole."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.chromium import Chromium
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, HangUp, Origin, Pattern

MIB = 1 << 20
BODY = Pattern(8 * MIB)
HOLD, BREAK = 4 * MIB, 4 * MIB + (200 << 10)
TEXT = b"".join(b"%d,%x\n" % (number, number * 2654435761 % 4294967296) for number in range(400_000))  # 6 MB


def breaking(gateway: Gateway, origin: Origin, path: str, file: File) -> str:
    """An archive of a file whose origin hangs up in its middle, when it is let, and answers no more."""
    held = File(file.body, hold_at=HOLD, cut_at=BREAK)
    origin.serve(path, file, held, HangUp())
    hash: str = gateway.create(urls=[origin.url(path)])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    return hash


@contextmanager
def broken_off(gateway: Gateway, origin: Origin, path: str, hash: str, first: int) -> Iterator[socket.socket]:
    """A client that takes little unread; it has the `first` bytes, and reads on when the gateway has given up."""
    with closing(socket.socket()) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        client.settimeout(30)
        client.connect(("127.0.0.1", gateway.port))
        client.sendall(f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        received = 0
        while received < first:
            received += len(client.recv(first - received))
        before = len(gateway.log)
        origin.release(path)
        gateway.logged("download_cut", after=before)
        yield client


def test_client_has_all_that_was_sent_when_its_exact_download_ends_early(launch: Launch, origin: Origin) -> None:
    """In order, without a reset: that took from a client what it had not read yet, and it had to be sent again."""
    gateway = launch(max_attempts="1")
    hash = breaking(gateway, origin, "/cut/exact.png", File(BODY))
    received = bytearray()
    with broken_off(gateway, origin, "/cut/exact.png", hash, first=HOLD) as client:
        while block := client.recv(1 << 18):
            received += block
    assert received.endswith(BODY[BREAK - MIB // 8 : BREAK])


def test_open_download_has_no_last_chunk_when_it_ends_early(launch: Launch, origin: Origin) -> None:
    """Its client sees that it is not whole."""
    gateway = launch(max_attempts="1")
    hash = breaking(gateway, origin, "/cut/open.csv", File(TEXT))
    received = bytearray()
    with (
        broken_off(gateway, origin, "/cut/open.csv", hash, first=1000) as client,
        suppress(ConnectionResetError),
    ):
        while block := client.recv(1 << 18):
            received += block
    assert not received.endswith(b"0\r\n\r\n")


@pytest.mark.slow
@pytest.mark.needs("chromium")
@pytest.mark.parametrize("file", [File(BODY), File(TEXT)], ids=["exact.png", "open.csv"])
def test_browser_takes_no_early_end_for_the_whole(
    file: File, launch: Launch, origin: Origin, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """It says that the download failed, and keeps it under the name of an unfinished one."""
    gateway = launch(max_attempts="1")
    path = f"/cut/browser/{request.node.callspec.id}"
    hash = breaking(gateway, origin, path, file)
    with Chromium(tmp_path / "browser") as browser:
        browser.open(f"{gateway.base}/archive/get/{hash}.zip")
        origin.until(lambda origin: origin.sent(path) >= HOLD)
        origin.release(path)
        gateway.logged("download_cut")
        browser.finish(most=1)
        assert browser.finished() == []
