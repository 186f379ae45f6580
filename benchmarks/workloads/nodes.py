"""Ten archives on two gateways of one store, beside the same ten on one."""

import base64
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from benchmarks.bench import Bench, Contender, Result, Sample, gib, running, wait_for
from benchmarks.client import get
from benchmarks.corpus import MIB, binaries
from benchmarks.servers import gateways, nginx
from benchmarks.servers.gateways import Gateway
from tests.support import postgresql

ARCHIVES = 10
ONE = "streamzip, one gateway"
TWO = "streamzip, two gateways"


def two(bench: Bench) -> Result:
    """10 archives at once: by one gateway on PostgreSQL, and by two of them, as affinity spreads them.

    Origin, gateways and clients share the machine, so wall time says little of two machines. Processor time does: what
    two gateways take more than one is what a shared store costs, and all else is had twice with two machines.
    """
    files = binaries(bench.root, "medium", bench.scaled(32), 4 * MIB)
    with ExitStack() as stack:
        origin = nginx.origin(bench.folder(), bench.root)
        running(stack, origin)
        urls = [f"http://127.0.0.1:{origin.port}/{file.path}" for file in files]
        server = stack.enter_context(postgresql.running())
        contenders = []
        for nodes, name in ((1, ONE), (2, TWO)):
            shared = {
                "STORE_URL": server.fresh_url(),
                "SECRET_KEYS": f"k1:{secrets.token_hex(32)}",
                "WEBHOOK_SECRET": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
                "PUBLIC_URL": "http://zip.example",
                "ALLOWED_HOSTS": "*",
            }
            prefix = ["env", *(f"STREAMZIP_{name}={value}" for name, value in shared.items())]
            sharing: list[Gateway] = []
            for _ in range(nodes):
                sharing.append(gateways.streamzip(bench.folder(), [origin], prefix=prefix))
                running(stack, sharing[-1])
            contenders.append(Contender(name, partial(_at_once, sharing, urls)))
        title = f"{ARCHIVES} archives at once on one store, {len(files)} × 4 MiB each"
        result = bench.interleaved(title, "GiB", gib(files) * ARCHIVES, contenders)
        more = result.cpu(TWO) / result.cpu(ONE)
        result.notes.append(
            f"{title}: two gateways took {more:.2f} × the processor time of one, "
            f"so that two machines do {2 / more:.2f} × the work of one"
        )
        return result


def _at_once(sharing: list[Gateway], urls: list[str]) -> Sample:
    # Each of the gateways in another order: on one store the same list is the same archive.
    lists = [urls[at:] + urls[:at] for at in range(len(sharing))]
    made = [
        (gateway, gateway.create(ordered))
        for _ in range(ARCHIVES // len(sharing))
        for gateway, ordered in zip(sharing, lists, strict=True)
    ]
    for gateway in sharing:
        gateway.process.quiet()
        gateway.process.forget_peak()
    before = sum(gateway.process.cpu() for gateway in sharing)
    with ThreadPoolExecutor(ARCHIVES) as pool:
        began = time.perf_counter()
        taken = list(pool.map(get, [archive.url for _, archive in made]))
        wall = time.perf_counter() - began
    for _, archive in made:
        wait_for(archive.copy)
    spent = sum(gateway.process.cpu() for gateway in sharing) - before
    for gateway, archive in made:
        gateway.delete(archive)
    peak = max(gateway.process.peak() for gateway in sharing)
    return Sample(wall, max(each.first_byte for each in taken), spent, sum(each.size for each in taken), peak)
