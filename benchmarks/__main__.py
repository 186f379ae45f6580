"""`python -m benchmarks`: every workload, or those named; prints Markdown. `simulate` simulates many gateways."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.machine import describe
from benchmarks.picture import draw
from benchmarks.simulation import tables
from benchmarks.summary import summarise
from benchmarks.table import render
from benchmarks.workloads import commands, creates, downloads, finished, huge, nodes, readers, text

WORKLOADS = {
    "large": downloads.large,
    "medium": downloads.medium,
    "small": downloads.small,
    "far": downloads.far,
    "text": text.text,
    "large-tls": downloads.large_tls,
    "finished": finished.finished,
    "crowd": readers.crowd,
    "parallel": readers.parallel,
    "several": readers.several,
    "eight": readers.eight,
    "two-nodes": nodes.two,
    "huge": huge.huge,
    "zip-large": commands.large,
    "zip-small": commands.small,
    "create-10": creates.ten,
    "create-10000": creates.ten_thousand,
}


def main() -> None:
    """Run and print."""
    if sys.argv[1:2] == ["simulate"]:
        tables.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="an eighth of the bytes, one round")
    parser.add_argument("--rounds", type=int, default=0, help="runs of each contender; default 5, quick 1")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="where the origin's files go (tmpfs)")
    parser.add_argument("--disk", type=Path, default=Path("/var/tmp"), help="where copies go (a real disk)")
    parser.add_argument("--picture", type=Path, help="an SVG file to draw the figures in")
    parser.add_argument("--against", type=Path, help="another checkout, whose gateway is measured in the same rounds")
    asked = parser.parse_args()
    unknown = set(asked.workloads) - WORKLOADS.keys()
    if unknown:
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    # `timeout` and CI end it so: by default Python would stop here, and leave servers and gigabytes of memory behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed, nothing is compiled anew by each start
    root, data = (
        Path(tempfile.mkdtemp(prefix="streamzip-bench-", dir=folder)) for folder in (asked.memory, asked.disk)
    )
    try:
        bench = Bench(root, data, asked.rounds or (1 if asked.quick else 5), asked.quick, asked.against)
        print(f"{describe(data)} Medians of {bench.rounds} interleaved rounds.\n")
        results = []
        for name in asked.workloads or WORKLOADS:
            began = time.monotonic()
            results.append(WORKLOADS[name](bench))
            print(render(results[-1]) + "\n", flush=True)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
            for folder in (*root.iterdir(), *data.iterdir()):
                shutil.rmtree(folder)
        if len(results) > 1:
            print(summarise(results))
        if asked.picture is not None:
            asked.picture.write_text(draw(results))
    finally:
        for folder in (root, data):
            shutil.rmtree(folder, ignore_errors=True)


main()
