"""Which of a gateway's processes has which connection: read from /proc, so that a test can choose."""

import os
import random
import re
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from tests.support.gateway import Gateway


def workers(gateway: Gateway, count: int = 2, seconds: float = 20.0) -> list[int]:
    """The process ids of its workers, once so many have said that they are ready to answer."""
    deadline = time.monotonic() + seconds
    while True:
        found = [pid for pid in _children(gateway.pid) if b"spawn_main" in _command(pid) and _serves(pid, gateway.port)]
        if len(found) == count:
            return sorted(found)
        assert time.monotonic() < deadline, f"{len(found)} workers"
        time.sleep(0.02)


def family(gateway: Gateway) -> list[int]:
    """The process ids of the gateway and of what it has started."""
    return [gateway.pid, *_children(gateway.pid)]


def kill_all(gateway: Gateway) -> None:
    """kill -9 of the gateway with all of its processes; without, a worker whose supervisor was killed ends in order.

    The supervisor is stopped first, so that it starts none behind our back.
    """
    with suppress(ProcessLookupError):
        os.kill(gateway.pid, signal.SIGSTOP)
    for pid in family(gateway):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_one(gateway: Gateway, chance: random.Random) -> None:
    """kill -9 of one of its workers; the supervisor starts another."""
    os.kill(chance.choice(workers(gateway)), signal.SIGKILL)


def connect(gateway: Gateway, worker: int, *, buffer: int | None = None, count: int = 2) -> socket.socket:
    """A connection that this worker has accepted: the others are stopped meanwhile."""
    others = [pid for pid in workers(gateway, count) if pid != worker]
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(60)
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        client.connect(("127.0.0.1", gateway.port))
        deadline = time.monotonic() + 20
        while _inode(gateway.port, client.getsockname()[1]) not in _sockets(worker):
            assert time.monotonic() < deadline, "the worker did not accept"
            time.sleep(0.002)
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)
    return client


def owner(gateway: Gateway, port: int, remote: int) -> int:
    """The worker whose connection it is that leads from `port` to `remote`."""
    inode = _inode(port, remote)
    return next(pid for pid in workers(gateway) if inode in _sockets(pid))


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and f"PPid:\t{parent}\n" in (entry / "status").read_text():
                found.append(int(entry.name))
    return found


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _serves(pid: int, port: int) -> bool:
    """Whether its event loop watches the listening socket: from then on it accepts (proc(5), fdinfo of an epoll)."""
    listening = _listening(port)
    with suppress(OSError):
        fds = {fd.name for fd in Path(f"/proc/{pid}/fd").iterdir() if str(fd.readlink()) == f"socket:[{listening}]"}
        for info in Path(f"/proc/{pid}/fdinfo").iterdir():
            watched = set(re.findall(r"^tfd: *(\d+)", info.read_text(), re.MULTILINE))
            if watched & fds:
                return True
    return False


def _sockets(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(fd.readlink()).removeprefix("socket:[").rstrip("]"))
    return found


def _table() -> list[list[str]]:
    return [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]


def _listening(port: int) -> str:
    return next(row[9] for row in _table() if row[1] == f"0100007F:{port:04X}" and row[3] == "0A")


def _inode(port: int, remote: int) -> str | None:
    ends = (f"0100007F:{port:04X}", f"0100007F:{remote:04X}")
    return next((row[9] for row in _table() if (row[1], row[2]) == ends), None)
