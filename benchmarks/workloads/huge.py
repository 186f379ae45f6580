"""An archive that fits neither memory nor disk: what the gateway holds must not depend on it."""

from contextlib import ExitStack

from benchmarks import runs
from benchmarks.bench import Bench, Result, Sample, gib, running
from benchmarks.corpus import MIB, sparse
from benchmarks.servers import gateways, nginx
from benchmarks.servers.gateways import Gateway

GIB = 1024 * MIB


def huge(bench: Bench) -> Result:
    """4 × 25 GiB of zeros from files without blocks, passed on without a copy; once, whatever the rounds."""
    files = sparse(bench.root, "huge", 4, bench.scaled(25 * GIB))
    first = sparse(bench.root, "less", 4, GIB // 4)
    with ExitStack() as stack:
        origin = nginx.origin(bench.folder(), bench.root)
        running(stack, origin)
        base = f"http://127.0.0.1:{origin.port}"
        gateway = gateways.streamzip(bench.folder(), [origin], cache="0")
        running(stack, gateway)
        little = _download(gateway, [f"{base}/{file.path}" for file in first])
        much = _download(gateway, [f"{base}/{file.path}" for file in files])
        title = f"{gib(files):.0f} GiB in one archive, no copy"
        result = Result(title, "GiB", gib(files), {"streamzip, no copy": [much]})
        result.notes.append(f"peak of the same gateway with 1 GiB before: {little.peak / MIB:.0f} MiB")
        return result


def _download(gateway: Gateway, urls: list[str]) -> Sample:
    return runs.download(gateway, urls, keeps=False)
