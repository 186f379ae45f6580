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
SIZE = 128 * MIB
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


def begun(gateway: Gateway) -> None:
    """Return when the copy is on its way."""
    with closing(sqlite3.connect(gateway.data / "streamzip.db")) as store:
        while store.execute("SELECT count(*) FROM objects WHERE shared_at IS NULL").fetchone() == (0,):
            time.sleep(0.01)


def beside(gateway: Gateway, archive_hash: str, after: int) -> list[tuple[float, float]]:
    """Return the downloads that began and ended while the copy was on its way."""
    found: list[tuple[float, float]] = []
    while True:
        one = downloaded(gateway, archive_hash)
        if any(line["event"] == "copy_offloaded" for line in gateway.log[after:]):
            return found
        found.append(one)


def again(gateway: Gateway, *, offloads: bool) -> int:
    """Start the gateway anew; return how long its log was."""
    gateway.stop()
    if offloads:
        forget(gateway)
    after = len(gateway.log)
    gateway.start()
    return after


def main() -> None:
    """Measure, and print a table."""
    rows: dict[str, list[tuple[float, float]]] = {}
    variables = {"AWS_UNSIGNED_PAYLOAD": "true"}  # as over https, where the gateway signs no bodies
    with tempfile.TemporaryDirectory() as folder, seaweedfs.running() as server, Origin() as origin:
        url = server.fresh_bucket().url("copies")
        under = ["env", *(f"{name}={value}" for name, value in {**server.environment, **variables}.items())]
        gateway = Gateway(Path(folder) / "data", allow=[origin.authority], under=under, shared_url=url)
        with gateway:
            origin.serve("/file", File(Pattern(SIZE)))
            body = gateway.create(entries=[{"url": origin.url("/file")}], compression="store", prefetch=True)
            archive_hash = str(body["archive_hash"])
            gateway.until(archive_hash, seconds=300)
            gateway.logged("copy_offloaded", seconds=300)
            for _ in range(ROUNDS):
                after = again(gateway, offloads=True)
                began, before = time.monotonic(), cpu(gateway)
                gateway.logged("copy_offloaded", after=after, seconds=300)
                wall, used = time.monotonic() - began, cpu(gateway) - before
                again(gateway, offloads=False)
                before = cpu(gateway)
                time.sleep(wall)
                rows.setdefault("offload alone", []).append((wall, used - (cpu(gateway) - before)))
                rows.setdefault("download from the disk", []).append(downloaded(gateway, archive_hash))
                after = again(gateway, offloads=True)
                downloaded(gateway, archive_hash)  # the first one proves the copy
                begun(gateway)
                rows.setdefault("download beside an offload", []).extend(beside(gateway, archive_hash, after))
                rows["download from the disk"].append(downloaded(gateway, archive_hash))
            copies = list(gateway.copy(archive_hash).parent.glob(f"{archive_hash}.*"))
            for path in copies:
                if path.suffix != ".lock":
                    path.unlink()
            rows["download from the bucket"] = [downloaded(gateway, archive_hash) for _ in range(ROUNDS)]
    print(
        f"median of {ROUNDS} rounds, {SIZE // MIB} MiB\n\n| | wall s | gateway CPU s/GiB | of |\n|---|---:|---:|---:|"
    )
    medians = {}
    for name, found in rows.items():
        medians[name] = [statistics.median(each[at] for each in found) for at in (0, 1)]
        wall, used = medians[name]
        print(f"| {name} | {wall:.2f} | {used * 1024 * MIB / SIZE:.2f} | {len(found)} |")
    slower = medians["download beside an offload"][0] / medians["download from the disk"][0] - 1
    print(f"\nA download beside an offload took {slower:+.0%} (at most +10 %).")
    print(f"An offload took {medians['offload alone'][1] * 1024 * MIB / SIZE:.2f} core-s/GiB (at most 1.3).")


if __name__ == "__main__":
    main()
