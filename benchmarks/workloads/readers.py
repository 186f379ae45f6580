"""Many readers of one archive that is still growing, and one reader with four connections."""

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import runs
from benchmarks.bench import Bench, Contender, Result, Sample, gib, running, wait_for
from benchmarks.client import Taken, get
from benchmarks.corpus import MIB, File, binaries
from benchmarks.servers import gateways, nginx, peers
from benchmarks.servers.gateways import Gateway
from benchmarks.servers.peers import Peer
from benchmarks.validity import check_file
from benchmarks.workloads.downloads import COPY, HOP, NO_COPY

READERS = 50
ARCHIVES = 10
EIGHT = 8


def crowd(bench: Bench) -> Result:
    """50 readers at once: the origin is asked for every byte once."""
    files = binaries(bench.root, "medium", bench.scaled(64), 4 * MIB)
    return _read(bench, f"{READERS} readers of one growing archive, {len(files)} × 4 MiB", files, _crowd, READERS)


def parallel(bench: Bench) -> Result:
    """`aria2c -x4` on an archive that was never built."""
    files = binaries(bench.root, "large", 4, bench.scaled(512 * MIB))
    return _read(bench, f"a cold archive by aria2c -x4, 4 × {files[0].size // MIB} MiB", files, _aria, 1)


def several(bench: Bench) -> Result:
    """10 different archives at once, by one process and by two."""
    files = binaries(bench.root, "medium", bench.scaled(32), 4 * MIB)
    with ExitStack() as stack:
        origin = nginx.origin(bench.folder(), bench.root)
        running(stack, origin)
        urls = [f"http://127.0.0.1:{origin.port}/{file.path}" for file in files]
        contenders = []
        for workers, name in ((1, "streamzip, one process"), (2, "streamzip, two workers")):
            gateway = gateways.streamzip(bench.folder(), [origin], workers=workers)
            running(stack, gateway)
            contenders.append(Contender(name, partial(_several, gateway, urls, ARCHIVES)))
        title = f"{ARCHIVES} archives at once, {len(files)} × 4 MiB each"
        return bench.interleaved(title, "GiB", gib(files) * ARCHIVES, contenders)


def eight(bench: Bench) -> Result:
    """8 different archives at once, everybody with two processes."""
    files = binaries(bench.root, "medium", bench.scaled(64), 4 * MIB)
    with ExitStack() as stack:
        origin = nginx.origin(bench.folder(), bench.root)
        running(stack, origin)
        base = f"http://127.0.0.1:{origin.port}"
        urls = [f"{base}/{file.path}" for file in files]
        passing = nginx.hop(bench.folder(), base, processes=2)
        running(stack, passing)
        contenders = [Contender(HOP, partial(runs.hops_at_once, passing, files, EIGHT))]
        for cache, name in (("40GiB", COPY), ("0", NO_COPY)):
            gateway = gateways.streamzip(bench.folder(), [origin], cache=cache, workers=2)
            running(stack, gateway)
            contenders.append(Contender(name, partial(_several, gateway, urls, EIGHT, keeps=cache != "0")))
        packing = peers.start(stack, bench, files, base, processes=2)
        contenders += [Contender(peer.name, partial(_peer_at_once, peer)) for peer in packing]
        title = f"{EIGHT} archives at once, two processes, {len(files)} × 4 MiB each"
        result = bench.interleaved(title, "GiB", gib(files) * EIGHT, contenders)
        result.notes += peers.missing()
        return result


def _peer_at_once(peer: Peer) -> Sample:
    return runs.at_once(peer.process, [peer.prepare() for _ in range(EIGHT)])


def _several(gateway: Gateway, urls: list[str], count: int, *, keeps: bool = True) -> Sample:
    archives = [gateway.create(urls) for _ in range(count)]

    sample = runs.at_once(gateway.process, [archive.url for archive in archives])
    for archive in archives:
        if keeps:
            wait_for(archive.copy)
        gateway.delete(archive)
    return sample


def _read(bench: Bench, title: str, files: list[File], work, times: int) -> Result:  # type: ignore[no-untyped-def]
    with ExitStack() as stack:
        logs = bench.folder()
        origin = nginx.origin(logs, bench.root)
        gateway = gateways.streamzip(bench.folder(), [origin])
        running(stack, origin)
        running(stack, gateway)
        urls = [f"http://127.0.0.1:{origin.port}/{file.path}" for file in files]
        pulled: list[int] = []

        def run() -> Sample:
            archive = gateway.create(urls)
            gateway.process.quiet()
            before = nginx.sent(logs)
            sample = runs.measured(gateway.process, lambda: work(archive.url, files, bench.root))
            wait_for(archive.copy)
            time.sleep(0.2)
            pulled.append(nginx.sent(logs) - before)
            gateway.delete(archive)
            return sample

        name = "streamzip, with copy"
        result = bench.interleaved(title, "GiB sent", gib(files) * times, [Contender(name, run)])
        ratio = max(pulled) / sum(file.size for file in files)
        result.notes.append(f"{title}: bytes asked of the origin, per byte of the files: {ratio:.3f}")
        return result


def _crowd(url: str, files: list[File], scratch: Path) -> Taken:
    with ThreadPoolExecutor(READERS) as pool:
        began = time.perf_counter()
        taken = list(pool.map(get, [url] * READERS))
        wall = time.perf_counter() - began
    if len({each.size for each in taken}) != 1:
        raise AssertionError("the readers got different lengths")
    return Taken(max(each.first_byte for each in taken), wall, sum(each.size for each in taken))


def _aria(url: str, files: list[File], scratch: Path) -> Taken:
    target = scratch / "aria.zip"
    options = ["-x4", "-s4", "-k8M", "--file-allocation=none", "--allow-overwrite=true", "--quiet"]
    began = time.perf_counter()
    subprocess.run(["aria2c", *options, "-d", str(scratch), "-o", target.name, url], check=True)
    wall = time.perf_counter() - began
    size = target.stat().st_size
    check_file(target, files)
    target.unlink()
    return Taken(0.0, wall, size)
