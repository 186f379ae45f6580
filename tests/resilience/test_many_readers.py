"""Many readers of one archive, who come, take their time, and leave."""

import socket
import struct
from pathlib import Path

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern

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
