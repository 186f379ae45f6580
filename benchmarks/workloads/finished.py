"""The second download: a finished copy, from the gateway itself and from the nginx before it."""

from contextlib import ExitStack

from benchmarks import runs
from benchmarks.bench import Bench, Contender, Result, gib, running, wait_for
from benchmarks.client import get
from benchmarks.corpus import MIB, binaries
from benchmarks.processes import Process
from benchmarks.servers import gateways, nginx
from benchmarks.validity import check


def finished(bench: Bench) -> Result:
    """Processor seconds are those of the process that sends the bytes."""
    files = binaries(bench.root, "large", 4, bench.scaled(512 * MIB))
    with ExitStack() as stack:
        origin = nginx.origin(bench.folder(), bench.root)
        running(stack, origin)
        data = bench.folder()
        alone = gateways.streamzip(data / "alone", [origin])
        behind = gateways.streamzip(data / "behind", [origin], sendfile="x-accel")
        front = nginx.front(bench.folder(), behind.base, behind.spool)
        for server in (alone, behind, front):
            running(stack, server)
        urls = [f"http://127.0.0.1:{origin.port}/{file.path}" for file in files]
        archives = [gateway.create(urls) for gateway in (alone, behind)]
        for archive in archives:
            get(archive.url)
            wait_for(archive.copy)
        hash = archives[1].hash
        through = {
            "nginx, the file itself": (front, f"http://127.0.0.1:{front.port}/file/{hash[:2]}/{hash}.zip"),
            "nginx by X-Accel-Redirect": (front, f"http://127.0.0.1:{front.port}{archives[1].path}"),
            "streamzip alone": (alone.process, archives[0].url),
        }
        for _, url in through.values():
            check(url, files, bench.root)
        contenders = [Contender(name, _run(process, url)) for name, (process, url) in through.items()]
        return bench.interleaved("a finished archive again", "GiB", gib(files), contenders)


def _run(process: Process, url: str):  # type: ignore[no-untyped-def]
    return lambda: runs.measured(process, lambda: get(url))
