"""One run of one contender: what is done, and what of it is measured."""

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import Sample, wait_for
from benchmarks.client import Client, Taken, get
from benchmarks.corpus import File
from benchmarks.processes import Process
from benchmarks.servers.gateways import Archive, Gateway
from benchmarks.servers.peers import Peer


def measured(process: Process, work: Callable[[], Taken]) -> Sample:
    """The work, and what the process spent on it."""
    process.quiet()
    process.forget_peak()
    before = process.cpu()
    taken = work()
    return Sample(taken.wall, taken.first_byte, process.cpu() - before, taken.size, process.peak())


def hop(process: Process, files: Sequence[File], store: Path | None = None) -> Sample:
    """The same files through nginx, one after another on one connection, as every peer asks for them."""
    sample = measured(process, lambda: _passed_on(process, files))
    if store is not None:
        for folder in {file.path.partition("/")[0] for file in files}:
            shutil.rmtree(store / folder)
    return sample


def hops_at_once(process: Process, files: Sequence[File], count: int) -> Sample:
    """The same, by so many clients at the same time."""

    def work() -> Taken:
        with ThreadPoolExecutor(count) as pool:
            began = time.perf_counter()
            taken = list(pool.map(lambda _: _passed_on(process, files), range(count)))
            wall = time.perf_counter() - began
        return Taken(max(each.first_byte for each in taken), wall, sum(each.size for each in taken))

    return measured(process, work)


def _passed_on(process: Process, files: Sequence[File]) -> Taken:
    client, began = Client(f"http://127.0.0.1:{process.port}"), time.perf_counter()
    first, size = 0.0, 0
    for file in files:
        taken = client.get(f"/{file.path}")
        first, size = first or taken.first_byte, size + taken.size
    client.close()
    if size != sum(file.size for file in files):
        raise AssertionError("the hop did not pass the files on")
    return Taken(first, time.perf_counter() - began, size)


def download(gateway: Gateway, urls: Sequence[str], *, keeps: bool, compression: str = "store") -> Sample:
    """A new archive's first download, begun after its probe."""
    archive = gateway.create(urls, compression)
    return _finished(gateway, archive, measured(gateway.process, lambda: get(archive.url)), keeps=keeps)


def from_create(gateway: Gateway, urls: Sequence[str], *, keeps: bool) -> Sample:
    """From the create's request to the archive's last byte: the probe is in it."""
    made: list[Archive] = []

    def work() -> Taken:
        began = time.perf_counter()
        made.append(gateway.create(urls))
        spent = time.perf_counter() - began
        taken = get(made[0].url)
        return Taken(taken.first_byte + spent, taken.wall + spent, taken.size)

    sample = measured(gateway.process, work)
    return _finished(gateway, made[0], sample, keeps=keeps)


def packed(peer: Peer) -> Sample:
    """A download of a peer's archive, begun after it was told of it."""
    url = peer.prepare()
    return measured(peer.process, lambda: get(url))


def packed_from_create(peer: Peer) -> Sample:
    """From telling a peer of an archive to its last byte."""

    def work() -> Taken:
        began = time.perf_counter()
        url = peer.prepare()
        spent = time.perf_counter() - began
        taken = get(url)
        return Taken(taken.first_byte + spent, taken.wall + spent, taken.size)

    return measured(peer.process, work)


def at_once(process: Process, urls: Sequence[str]) -> Sample:
    """These downloads at the same time; the first byte is the one that came last."""

    def work() -> Taken:
        with ThreadPoolExecutor(len(urls)) as pool:
            began = time.perf_counter()
            taken = list(pool.map(get, urls))
            wall = time.perf_counter() - began
        return Taken(max(each.first_byte for each in taken), wall, sum(each.size for each in taken))

    return measured(process, work)


def _finished(gateway: Gateway, archive: Archive, sample: Sample, *, keeps: bool) -> Sample:
    if keeps:
        before = gateway.process.cpu()
        wait_for(archive.copy)
        gateway.process.quiet(0.1)
        sample = replace(sample, durable=sample.cpu + gateway.process.cpu() - before)
    gateway.delete(archive)
    return sample
