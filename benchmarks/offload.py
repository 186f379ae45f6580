"""`python -m benchmarks.offload`: what putting a copy into a bucket costs, reading it there, and a download beside it.

SeaweedFS, the gateway and the client share the machine: of the seconds, compare those of one line.
"""

import os
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from tests.support import seaweedfs
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern

MIB = 1 << 20
SIZE = 64 * MIB
ROUNDS = 3
_TICK = os.sysconf("SC_CLK_TCK")


def cpu(gateway: Gateway) -> float:
    """Return the gateway's CPU seconds so far (proc(5): utime, stime)."""
    fields = Path(f"/proc/{gateway.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def downloaded(gateway: Gateway, archive_hash: str) -> tuple[float, float]:
    """Return the wall and the gateway's CPU seconds of a download."""
    began, before = time.monotonic(), cpu(gateway)
    with gateway.client.stream("GET", f"/archive/get/{archive_hash}.zip") as response:
        for _ in response.iter_raw(MIB):
            pass
    return time.monotonic() - began, cpu(gateway) - before


def forget(gateway: Gateway) -> None:
    """Have the store know of no object, so that the next start offloads the copy anew."""
    with closing(sqlite3.connect(gateway.data / "streamzip.db")) as store:
        store.execute("PRAGMA foreign_keys = ON")
        store.execute("DELETE FROM objects")
        store.execute("DELETE FROM documents WHERE kind = 'object'")
        store.commit()


def main() -> None:
    """Measure, and print a table."""
    rows: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, seaweedfs.running() as server, Origin() as origin:
        url = server.fresh_bucket().url("copies")
        under = ["env", *(f"{name}={value}" for name, value in server.environment.items())]
        gateway = Gateway(Path(folder) / "data", allow=[origin.authority], under=under, shared_url=url)
        with gateway:
            origin.serve("/file", File(Pattern(SIZE)))
            body = gateway.create(entries=[{"url": origin.url("/file")}], compression="store", prefetch=True)
            archive_hash = str(body["archive_hash"])
            gateway.until(archive_hash, seconds=300)
            gateway.logged("copy_offloaded", seconds=300)
            for _ in range(ROUNDS):
                rows.setdefault("download from the disk", []).append(downloaded(gateway, archive_hash))
                for name, beside in (("offload alone", False), ("download beside an offload", True)):
                    gateway.stop()
                    forget(gateway)
                    after = len(gateway.log)
                    gateway.start()
                    began, before = time.monotonic(), cpu(gateway)
                    if beside:
                        wall, _ = downloaded(gateway, archive_hash)
                    gateway.logged("copy_offloaded", after=after, seconds=300)
                    used = cpu(gateway) - before
                    rows.setdefault(name, []).append((wall if beside else time.monotonic() - began, used))
            copies = list(gateway.copy(archive_hash).parent.glob(f"{archive_hash}.*"))
            for path in copies:
                if path.suffix != ".lock":
                    path.unlink()
            rows["download from the bucket"] = [downloaded(gateway, archive_hash) for _ in range(ROUNDS)]
    print(f"median of {ROUNDS}, {SIZE // MIB} MiB\n\n| | wall s | gateway CPU s/GiB |\n|---|---:|---:|")
    for name, found in rows.items():
        wall, used = (statistics.median(each[at] for each in found) for at in (0, 1))
        print(f"| {name} | {wall:.2f} | {used * 1024 * MIB / SIZE:.2f} |")


if __name__ == "__main__":
    main()
