"""A zip made by a command, without a server, beside a download from the gateway and beside aria2c with zip."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import runs
from benchmarks.bench import Bench, Contender, Result, Sample, gib, running
from benchmarks.corpus import MIB, File, binaries
from benchmarks.servers import gateways, nginx
from benchmarks.validity import check_file
from benchmarks.workloads.downloads import COPY

ZIP = "streamzip zip"
START = "streamzip zip, of one small file"  # what the interpreter and its modules take
ARIA = "aria2c -x16, then zip -0"
GET = f"{COPY}, from create"
_ZIP = [sys.executable, "-m", "streamzip", "zip", "--allow-private", "--quiet"]
_ARIA = ["aria2c", "-x16", "-j32", "--file-allocation=none", "--quiet"]


def large(bench: Bench) -> Result:
    """4 × 512 MiB."""
    files = binaries(bench.root, "large", 4, bench.scaled(512 * MIB))
    return _compared(bench, f"4 × {files[0].size // MIB} MiB, by a command", files, "GiB", gib(files))


def small(bench: Bench) -> Result:
    """2,000 × 20 KiB."""
    files = binaries(bench.root, "small", 2000, 20 << 10)
    return _compared(bench, f"{len(files):,} × 20 KiB, by a command", files, "ms/file", len(files) / 1000)


def _compared(bench: Bench, title: str, files: Sequence[File], unit: str, units: float) -> Result:
    with ExitStack() as stack:
        origin = nginx.origin(bench.folder(), bench.root)
        gateway = gateways.streamzip(bench.folder(), [origin])
        running(stack, origin)
        running(stack, gateway)
        urls = [f"http://127.0.0.1:{origin.port}/{file.path}" for file in files]
        small = binaries(bench.root, "start", 1, 1 << 10)
        listed, one = bench.folder() / "list.txt", bench.folder() / "list.txt"
        listed.write_text("\n".join(urls) + "\n")
        one.write_text(f"http://127.0.0.1:{origin.port}/{small[0].path}\n")
        contenders = [
            Contender(GET, partial(runs.from_create, gateway, urls, keeps=True)),
            Contender(ZIP, partial(_run, bench, files, lambda folder: _zip(folder, listed))),
            Contender(START, partial(_run, bench, small, lambda folder: _zip(folder, one))),
            Contender(ARIA, partial(_run, bench, files, lambda folder: _aria(folder, listed))),
        ]
        result = bench.interleaved(title, unit, units, contenders)
        result.notes.append(_ratios(result))
        return result


def _ratios(result: Result) -> str:
    """How the commands stand beside the download: their seconds, and those of the processors."""
    got, zipped, start, other = map(result.wall, (GET, ZIP, START, ARIA))
    cpu = (result.cpu(ZIP) - result.cpu(START)) / result.cpu(GET)
    own = f"{ZIP} {zipped / got:.2f} ×, {(zipped - start) / got:.2f} × without its start of {start:.2f} s"
    return f"beside the GET: {own} ({cpu:.2f} × its processor time); {ARIA} {other / got:.2f} ×"


def _run(bench: Bench, files: Sequence[File], work: Callable[[Path], Path]) -> Sample:
    """The work in a new folder, with the processor time of all its processes; its zip is checked."""
    folder = bench.folder()
    before, began = os.times(), time.perf_counter()
    archive = work(folder)
    wall, after = time.perf_counter() - began, os.times()
    check_file(archive, files)
    size = archive.stat().st_size
    shutil.rmtree(folder)
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Sample(wall, 0.0, cpu, size)


def _zip(folder: Path, listed: Path) -> Path:
    archive = folder / "out.zip"
    command = [*_ZIP, "-i", str(listed), "-o", str(archive)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return archive


def _aria(folder: Path, listed: Path) -> Path:
    """The files, all at once, and then one archive of them, in their order."""
    files, archive = folder / "files", folder / "out.zip"
    subprocess.run([*_ARIA, "-d", str(files), "-i", str(listed)], check=True, stdout=subprocess.DEVNULL)
    names = "\n".join(sorted(path.name for path in files.iterdir()))
    command = ["zip", "-0", "-q", "-X", str(archive), "-@"]
    subprocess.run(command, input=names, text=True, cwd=files, check=True)
    return archive
