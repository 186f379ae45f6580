"""First downloads: large, medium and small files, a far origin, TLS."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import runs
from benchmarks.bench import Bench, Contender, Result, gib, running
from benchmarks.corpus import MIB, File, binaries
from benchmarks.processes import Process, free_port
from benchmarks.servers import certificates, gateways, nginx, peers
from benchmarks.validity import check
from benchmarks.workloads.support import keeps_nothing, slow_origin

NO_COPY = "streamzip, no copy"
COPY = "streamzip, with copy"
PLAIN = "plain gateway"
HOP = "nginx proxy_pass"
STORE = "nginx proxy_store"


def large(bench: Bench) -> Result:
    """4 × 512 MiB."""
    files = binaries(bench.root, "large", 4, bench.scaled(512 * MIB))
    return _compared(bench, f"4 × {files[0].size // MIB} MiB", files, "GiB", gib(files))


def medium(bench: Bench) -> Result:
    """200 × 4 MiB."""
    files = binaries(bench.root, "medium", bench.scaled(200), 4 * MIB)
    return _compared(bench, f"{len(files)} × 4 MiB", files, "GiB", gib(files))


def small(bench: Bench) -> Result:
    """2,000 × 20 KiB."""
    files = binaries(bench.root, "small", 2000, 20 << 10)
    return _compared(bench, f"{len(files):,} × 20 KiB", files, "ms/file", len(files) / 1000)


def large_tls(bench: Bench) -> Result:
    """4 × 512 MiB from an origin with TLS."""
    files = binaries(bench.root, "large", 4, bench.scaled(512 * MIB))
    return _compared(bench, f"4 × {files[0].size // MIB} MiB over TLS", files, "GiB", gib(files), tls=True)


def far(bench: Bench) -> Result:
    """300 × 20 KiB from an origin that takes 50 ms to answer."""
    files = binaries(bench.root, "far", bench.scaled(300), 20 << 10)
    return _compared(
        bench, f"{len(files)} × 20 KiB, origin 50 ms away", files, "ms/file", len(files) / 1000, delay=0.05
    )


def _compared(
    bench: Bench,
    title: str,
    files: list[File],
    unit: str,
    units: float,
    *,
    tls: bool = False,
    delay: float = 0.0,
) -> Result:
    with ExitStack() as stack:
        certificate = certificates.make(bench.folder()) if tls else None
        ca: Path | None = certificate[0] if certificate else None
        if delay:
            origin: Process = slow_origin(bench, delay, free_port())
        else:
            origin = nginx.origin(bench.folder(), bench.root, certificate)
        running(stack, origin)
        base = f"{'https' if tls else 'http'}://127.0.0.1:{origin.port}"
        urls = [f"{base}/{file.path}" for file in files]
        store = bench.folder()
        passing = nginx.hop(bench.folder(), base)
        storing = nginx.hop(bench.folder(), base, store=store)
        plain = gateways.plain(bench.folder(), ca)
        copying = gateways.streamzip(bench.folder(), [origin], ca=ca)
        passing_on = gateways.streamzip(bench.folder(), [origin], cache="0", ca=ca)
        for server in (passing, storing, plain, copying, passing_on):
            running(stack, server)
        contenders = [Contender(HOP, partial(runs.hop, passing, files))]
        if not delay:  # both hops ask for one file after another; once is enough to show what that costs
            contenders.append(Contender(STORE, partial(runs.hop, storing, files, store)))
        compared = [(PLAIN, plain, False), (COPY, copying, True)]
        without = keeps_nothing(passing_on, urls[:1])
        if without is None:
            compared.append((NO_COPY, passing_on, False))
        for name, gateway, keeps in compared:
            archive = gateway.create(urls)
            check(archive.url, files, bench.root)
            gateway.delete(archive)
            contenders.append(Contender(name, partial(runs.download, gateway, urls, keeps=keeps)))
        if unit == "ms/file":
            name = f"{COPY}, from create"
            contenders.append(Contender(name, partial(runs.from_create, copying, urls, keeps=True)))
        packing = [] if tls else peers.start(stack, bench, files, base)
        for peer in packing:
            check(peer.prepare(), files, bench.root)
            contenders.append(Contender(peer.name, partial(runs.packed, peer)))
            if unit == "ms/file" and peer.name == peers.ZIPSTREAMER:
                contenders.append(Contender(f"{peer.name}, from create", partial(runs.packed_from_create, peer)))
        for cache, name in () if bench.against is None else (("40GiB", COPY), ("0", NO_COPY)):
            other = gateways.streamzip(bench.folder(), [origin], cache=cache, ca=ca, checkout=bench.against)
            running(stack, other)
            archive = other.create(urls)
            check(archive.url, files, bench.root)
            other.delete(archive)
            label = f"{name}, the other"
            contenders.append(Contender(label, partial(runs.download, other, urls, keeps=cache != "0")))
        result = bench.interleaved(title, unit, units, contenders)
        result.far = bool(delay)
        if without is not None:
            result.notes.append(f"{NO_COPY}: {without}")
        if not tls:
            result.notes += peers.missing()
        return result
