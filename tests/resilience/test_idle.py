"""What a gateway costs that nobody asks for anything: its CPU with many who wait, and its memory at the start."""

import os
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

WATCHERS, SILENT, SECONDS = 500, 300, 30.0
MOST_CPU, MOST_MEMORY = 0.005, 77 << 20  # measured beside other work: 0.25 to 0.3 %, 75 MiB
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Return the process's CPU seconds (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def connect(gateway: Gateway, request: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
    if request:
        connection.sendall(request)
        while b"\n\n" not in connection.recv(1 << 16):  # up to the first event
            pass
    return connection


@pytest.mark.slow
@pytest.mark.alone
def test_gateway_that_nobody_asks_costs_next_to_nothing(launch: Launch, origin: Origin) -> None:
    """Half a hundredth of a core with 500 who watch archives and 300 silent connections; 77 MiB at the start."""
    origin.serve("/idle/a", File(b"bytes"))
    gateway = launch(request_timeout="600")
    memory = gateway.memory()
    hashes = [gateway.create(urls=[origin.url(f"/idle/a?{number}")])["archive_hash"] for number in range(50)]
    with ExitStack() as stack:
        for number in range(WATCHERS):
            path = f"/api/archive/events/{hashes[number % len(hashes)]}"
            watcher = connect(gateway, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            stack.enter_context(watcher)
        for _ in range(SILENT):
            stack.enter_context(connect(gateway))
        spent, began = cpu(gateway.pid), time.monotonic()
        time.sleep(SECONDS)  # what is measured is that nothing happens
        share = (cpu(gateway.pid) - spent) / (time.monotonic() - began)
    print(f"\nidle: {share:.2%} of a core; at the start {memory / (1 << 20):.1f} MiB")
    assert share <= MOST_CPU
    assert memory <= MOST_MEMORY
