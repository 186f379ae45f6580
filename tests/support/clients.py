"""Many clients at once, of every kind: fast, slow, leaving, silent; in one loop, on sockets of their own. And one apart
that asks again and again, in a process of its own, so that it measures the gateway and not the others.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_ASKING = """
import http.client, json, sys, time
times = []
while True:
    began = time.perf_counter()
    client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    client.request("GET", sys.argv[2])
    assert client.getresponse().read()
    client.close()
    times.append(time.perf_counter() - began)
    print(json.dumps(times[-1]), flush=True)
    time.sleep(0.02)
"""


@contextmanager
def asked_meanwhile(port: int, path: str) -> Iterator[list[float]]:
    """GET the path again and again; at the end the list has how many seconds each answer took."""
    times: list[float] = []
    asking = subprocess.Popen([sys.executable, "-c", _ASKING, str(port), path], stdout=subprocess.PIPE, text=True)
    assert asking.stdout is not None
    try:
        times.append(json.loads(asking.stdout.readline()))
        yield times
    finally:
        asking.terminate()
        times.extend(json.loads(line) for line in asking.stdout if line.endswith("\n"))
        asking.stdout.close()
        asking.wait(10)


@dataclass
class Taken:
    """What a client got. `whole`: as many bytes as the answer had promised."""

    status: int = 0
    body: bytes = b""
    whole: bool = False


async def take(port: int, path: str, *, pause: float = 0.0, leave_at: int | None = None, run: int = 1 << 16) -> Taken:
    """GET the path of a gateway on loopback; `pause`: seconds after each run of bytes; `leave_at`: hang up there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=run)
    taken, body = Taken(), bytearray()
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        taken.status = int(head.split()[1])
        length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:"))
        while len(body) < length and (leave_at is None or len(body) < leave_at):
            block = await reader.read(run)
            if not block:
                break
            body += block
            if pause:
                await asyncio.sleep(pause)
        taken.whole = len(body) == length
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.transport.abort()
    taken.body = bytes(body)
    return taken


async def drip(port: int, head: bytes, stop: asyncio.Event, *, pause: float = 1.0) -> int:
    """Send a request byte by byte until told to stop, connecting anew when dropped; how often that was."""
    drops = 0
    while not stop.is_set():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            drops += 1
            await asyncio.sleep(pause)
            continue
        try:
            for byte in head:
                if stop.is_set():
                    return drops
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(pause)
        except OSError:
            drops += 1
        finally:
            writer.transport.abort()
    return drops
