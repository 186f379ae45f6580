"""`python -m benchmarks.store_costs`: how many transactions of PostgreSQL each thing costs that a gateway does.

Two gateways share a store. The transactions are PostgreSQL's own count, less those that two idle gateways make in the
same time. With `pgbench` in the path, also how many of its own this PostgreSQL commits a second on this machine.
"""

import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support import postgresql
from tests.support.cluster import Cluster
from tests.support.origin import File, Origin, Pattern

MIB = 1 << 20
TIMES = 60
IDLE = 30.0  # seconds
TOLD_AFTER = 11.0  # seconds: a server process of PostgreSQL that is idle reports its counts after ten


def committed(cluster: Cluster) -> int:
    """Return the transactions that were committed so far."""
    time.sleep(TOLD_AFTER)
    ((count,),) = cluster.query("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    return int(count)


def pgbench(url: str) -> float:
    """Return the transactions a second of pgbench's own mix (TPC-B's shape), from eight clients."""
    program = str((postgresql.find_programs() or Path()) / "pgbench")
    subprocess.run([program, "--initialize", "--quiet", "--scale=10", url], check=True, capture_output=True)
    ran = subprocess.run([program, "-c8", "-j2", "-T10", url], check=True, capture_output=True, text=True)
    (found,) = re.findall(r"tps = ([\d.]+)", ran.stdout)
    return float(found)


def main() -> None:
    """Measure, and print a table."""
    first = postgresql.prepare_shared()
    try:
        with tempfile.TemporaryDirectory() as folder, Origin() as origin:
            with Cluster(Path(folder), origin, nodes=2) as cluster:
                measure(cluster, origin)
            print(f"| pgbench, transactions a second | {pgbench(postgresql.shared().url()):.0f} |")
    finally:
        if first:
            postgresql.end_shared()


def measure(cluster: Cluster, origin: Origin) -> None:
    """Print a line for each thing that two gateways of a cluster do."""
    node, other = cluster.nodes
    hashes: list[str] = []
    committed(cluster)
    began, before = time.monotonic(), committed(cluster)
    time.sleep(IDLE)
    idle = (committed(cluster) - before) / (time.monotonic() - began)

    def create(number: int) -> None:
        origin.serve(f"/{number}", File(Pattern(100_000)))
        hashes.append(str(node.create(entries=[{"url": origin.url(f"/{number}")}])["archive_hash"]))

    def counted(act: Callable[[int], object]) -> float:
        began, before = time.monotonic(), committed(cluster)
        for number in range(TIMES):
            act(number)
        return (committed(cluster) - before - idle * (time.monotonic() - began)) / TIMES

    print(
        f"transactions, means of {TIMES}\n\n| | |\n|---|---:|\n| idle gateway, a second | {idle / 2:.2f} |", flush=True
    )
    rows: dict[str, Callable[[int], object]] = {
        "create": create,
        "first download": lambda number: node.download(hashes[number]),
        "download from the disk": lambda number: node.download(hashes[number]),
        "download from the disk, at once again": lambda _: node.download(hashes[0]),
        "first download at another gateway": lambda number: other.download(hashes[number]),
    }
    for name, act in rows.items():
        print(f"| {name} | {counted(act):.1f} |", flush=True)
    origin.serve("/long", File(Pattern(512 * MIB)))
    hashes.append(str(node.create(entries=[{"url": origin.url("/long")}], compression="store")["archive_hash"]))
    began, before = time.monotonic(), committed(cluster)
    with node.client.stream("GET", f"/archive/get/{hashes[-1]}.zip") as response:
        for _ in response.iter_raw(MIB):
            pass
    told = committed(cluster) - before - idle * (time.monotonic() - began)
    print(f"| 512 MiB for the first time | {told:.0f} |", flush=True)


if __name__ == "__main__":
    main()
