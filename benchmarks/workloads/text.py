"""Compression: 640 MiB of text, on two cores and on one."""

from contextlib import ExitStack
from functools import partial

from benchmarks import runs
from benchmarks.bench import Bench, Contender, Result, gib, running
from benchmarks.corpus import MIB, texts
from benchmarks.servers import gateways, nginx
from benchmarks.validity import check
from benchmarks.workloads.downloads import COPY, PLAIN


def text(bench: Bench) -> Result:
    """A log, JSON lines, prose and CSV, deflated."""
    files = texts(bench.root, "text", bench.scaled(160 * MIB))
    with ExitStack() as stack:
        origin = nginx.origin(bench.folder(), bench.root)
        running(stack, origin)
        urls = [f"http://127.0.0.1:{origin.port}/{file.path}" for file in files]
        compared = {
            f"{PLAIN}, zlib 6": gateways.plain(bench.folder()),
            COPY: gateways.streamzip(bench.folder(), [origin]),
            f"{COPY}, one core": gateways.streamzip(bench.folder(), [origin], prefix=("taskset", "-c", "0")),
        }
        contenders = []
        for name, gateway in compared.items():
            running(stack, gateway)
            archive = gateway.create(urls, "deflate")
            check(archive.url, files, bench.root)
            gateway.delete(archive)
            keeps = name.startswith(COPY)
            run = partial(runs.download, gateway, urls, keeps=keeps, compression="deflate")
            contenders.append(Contender(name, run))
        return bench.interleaved(f"{4 * files[0].size // MIB} MiB of text, deflated", "GiB", gib(files), contenders)
