"""Creates: many small ones on one connection, and one with 10,000 entries."""

import json
import time
from contextlib import ExitStack
from http.client import HTTPConnection

from benchmarks import runs
from benchmarks.bench import Bench, Contender, Result, Sample, running
from benchmarks.client import Taken
from benchmarks.processes import Process
from benchmarks.servers import gateways
from benchmarks.servers.gateways import Gateway


def ten(bench: Bench) -> Result:
    """500 creates of 10 entries, sizes given, so that no origin is asked."""
    return _creates(bench, "creates with 10 entries", 500, 10)


def ten_thousand(bench: Bench) -> Result:
    """One create of 10,000 entries."""
    return _creates(bench, "a create with 10,000 entries", 1, 10_000)


def _creates(bench: Bench, title: str, count: int, entries: int) -> Result:
    with ExitStack() as stack:
        gateway = gateways.streamzip(bench.folder(), [])
        running(stack, gateway)
        made = iter(range(1 << 60))
        run = Contender("streamzip", lambda: _run(gateway, count, entries, next(made)))
        return bench.interleaved(f"{count} × {title}" if count > 1 else title, "ms/create", count / 1000, [run])


def _run(gateway: Gateway, count: int, entries: int, series: int) -> Sample:
    bodies = [_body(entries, f"{series}-{number}") for number in range(count)]
    process: Process = gateway.process

    def work() -> Taken:
        connection = HTTPConnection("127.0.0.1", process.port, timeout=60)
        began, first, size = time.perf_counter(), 0.0, 0
        for body in bodies:
            connection.request("POST", "/api/archive/create", body)
            response = connection.getresponse()
            size += len(response.read())
            first = first or time.perf_counter() - began
            if response.status != 201:
                raise AssertionError(f"create answered {response.status}")
        connection.close()
        return Taken(first, time.perf_counter() - began, size)

    return runs.measured(process, work)


def _body(entries: int, series: str) -> bytes:
    rows = [{"url": f"https://files.example.com/{series}/{number:05}.jpg", "size": 20480} for number in range(entries)]
    return json.dumps({"entries": rows}).encode()
