"""What several workloads start or ask."""

import sys
from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.client import get
from benchmarks.processes import Process
from benchmarks.servers.gateways import Gateway


def slow_origin(bench: Bench, delay: float, port: int) -> Process:
    """benchmarks/slow_origin.py over the corpus."""
    command = [sys.executable, "-m", "benchmarks.slow_origin", str(port), str(delay), str(bench.root)]
    return Process(command, port, bench.folder() / "log")


def keeps_nothing(gateway: Gateway, urls: Sequence[str]) -> str | None:
    """Why this gateway cannot be measured as one without a copy; None where it can: nothing may be left on disk."""
    archive = gateway.create(urls)
    try:
        get(archive.url)
    except OSError as error:
        return f"left out: {error}"
    left = [path for path in gateway.spool.rglob("*") if path.suffix in (".part", ".zip") and path.stat().st_blocks]
    gateway.delete(archive)
    return "left out: this build keeps a copy although STREAMZIP_CACHE_MAX_BYTES is 0" if left else None
