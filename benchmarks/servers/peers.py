"""Other people's programs for the same job, where this machine has them.

    archiver     a gateway with Node's package of this name; STREAMZIP_BENCH_NODE: the folder that it is installed in
                 (`make bench` installs it, where npm is)
    zipstreamer  the Go program; STREAMZIP_BENCH_ZIPSTREAMER: its path
    mod_zip      the module of nginx; STREAMZIP_BENCH_MOD_ZIP: the path of ngx_http_zip_module.so, built for this nginx

Each setting is a variable of the environment. Who is not there is left out, and named in the notes.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench, running
from benchmarks.client import ask
from benchmarks.corpus import File
from benchmarks.processes import Process, free_port
from benchmarks.servers import nginx
from benchmarks.servers.gateways import Gateway

ARCHIVER = "Node's archiver"
ZIPSTREAMER = "zipstreamer"
MOD_ZIP = "mod_zip, CRCs given"
MOD_ZIP_BARE = "mod_zip, none given"

_SETTINGS = {
    ARCHIVER: "STREAMZIP_BENCH_NODE",
    ZIPSTREAMER: "STREAMZIP_BENCH_ZIPSTREAMER",
    MOD_ZIP: "STREAMZIP_BENCH_MOD_ZIP",
}


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that runs. `prepare` tells it of an archive and returns the URL to get it from."""

    name: str
    process: Process
    prepare: Callable[[], str]


def start(stack: ExitStack, bench: Bench, files: Sequence[File], origin: str, *, processes: int = 1) -> list[Peer]:
    """Start those that are here, for archives of these files below the `origin`'s URL; the stack ends them."""
    peers = list(_started(bench, files, origin, processes))
    for peer in peers:
        running(stack, peer.process)
    return peers


def missing() -> list[str]:
    """Return a sentence for each that is not here."""
    return [
        f"{name} was left out: {variable} says where it is" for name, variable in _SETTINGS.items() if not _at(name)
    ]


def _at(name: str) -> Path | None:
    place = os.environ.get(_SETTINGS[name])
    if not place or (name == ARCHIVER and not _has_archiver(Path(place))):
        return None
    return Path(place).resolve(strict=True)


def _has_archiver(folder: Path) -> bool:
    """Return whether the package is there, and what runs it: `make bench` may not have got it."""
    return shutil.which("node") is not None and (folder / "node_modules" / "archiver").is_dir()


def _started(bench: Bench, files: Sequence[File], origin: str, processes: int) -> Iterator[Peer]:
    urls = [f"{origin}/{file.path}" for file in files]
    if (folder := _at(ARCHIVER)) is not None:
        yield _archiver(bench, folder, urls)
    if (program := _at(ZIPSTREAMER)) is not None:
        yield _zipstreamer(bench, program, urls)
    if (module := _at(MOD_ZIP)) is not None:
        yield from _mod_zip(bench, module, files, origin, processes)


def _archiver(bench: Bench, folder: Path, urls: Sequence[str]) -> Peer:
    port = free_port()
    program = Path(__file__).with_name("archiver_gateway.mjs")
    process = Process(["node", str(program), str(port), str(folder)], port, bench.folder() / "log")
    gateway = Gateway(process, folder)
    return Peer(ARCHIVER, process, lambda: gateway.create(urls).url)


def _zipstreamer(bench: Bench, program: Path, urls: Sequence[str]) -> Peer:
    port = free_port()
    process = Process([str(program)], port, bench.folder() / "log", {"PORT": str(port)})
    base = f"http://127.0.0.1:{port}"
    wanted = {"files": [{"url": url, "zipPath": url.rpartition("/")[2]} for url in urls]}

    def prepare() -> str:
        # It forgets a link after a minute, so that each run asks for its own.
        status, document = ask("POST", f"{base}/create_download_link", wanted)
        if status != 200:
            raise RuntimeError(f"zipstreamer answered {status}: {document}")
        return f"{base}/download_link/{document['link_id']}"

    return Peer(ZIPSTREAMER, process, prepare)


def _mod_zip(bench: Bench, module: Path, files: Sequence[File], origin: str, processes: int) -> Iterator[Peer]:
    for name, known in ((MOD_ZIP, True), (MOD_ZIP_BARE, False)):
        lists = bench.folder()
        lines = (
            f"{f'{file.crc:08x}' if known else '-'} {file.size} /origin/{file.path} {file.path.rpartition('/')[2]}\r\n"
            for file in files
        )
        (lists / "list").write_text("".join(lines))
        process = nginx.zipping(bench.folder(), module, origin, lists, processes)
        url = f"http://127.0.0.1:{process.port}/zip/list"
        yield Peer(name, process, lambda url=url: url)  # type: ignore[misc]
