"""The gateways: streamzip as it is installed, and the plain one."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.client import ask
from benchmarks.processes import Process, free_port


@dataclass(frozen=True, slots=True)
class Archive:
    """A created archive; `copy` is where its finished copy will lie."""

    url: str
    path: str
    copy: Path
    hash: str = ""
    token: str = ""


class Gateway:
    """A gateway under test."""

    def __init__(self, process: Process, spool: Path) -> None:
        self.process = process
        self.spool = spool
        self.base = f"http://127.0.0.1:{process.port}"
        self._created = 0

    def create(self, urls: Sequence[str], compression: str = "store") -> Archive:
        """A new archive each time: its filename is another one."""
        self._created += 1
        body = {"urls": list(urls), "filename": f"bench-{self._created}.zip", "compression": compression}
        return self._create(body)

    def _create(self, body: dict[str, Any]) -> Archive:
        status, document = ask("POST", f"{self.base}/api/archive/create", body)
        if status != 201:
            raise RuntimeError(f"create answered {status}: {document}")
        hash = document.get("archive_hash", "")
        path = urlsplit(document["url"])._replace(scheme="", netloc="").geturl()
        copy = self.spool / hash[:2] / f"{hash}.zip"
        return Archive(self.base + path, path, copy, hash, document.get("delete_token", ""))

    def delete(self, archive: Archive) -> None:
        """Give the disk back."""
        if archive.token:
            ask("DELETE", f"{self.base}/api/archive/{archive.hash}", headers={"X-Delete-Token": archive.token})


def streamzip(
    folder: Path,
    origins: Sequence[Process],
    *,
    cache: str = "40GiB",
    sendfile: str = "off",
    ca: Path | None = None,
    prefix: Sequence[str] = (),
    workers: int = 1,
    checkout: Path | None = None,
) -> Gateway:
    """`cache`: STREAMZIP_CACHE_MAX_BYTES. `prefix`: a command to start it by, such as taskset. `checkout`: whose
    gateway, instead of this one's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    env = {
        "STREAMZIP_ALLOW_HOSTS": ",".join(f"127.0.0.1:{origin.port}" for origin in origins),
        "STREAMZIP_CACHE_MAX_BYTES": cache,
        "STREAMZIP_SENDFILE": sendfile,
        "STREAMZIP_TRUSTED_PROXIES": "127.0.0.1",
        "STREAMZIP_LOG_LEVEL": "warning",
        "STREAMZIP_WORKERS": str(workers),
    }
    if ca is not None:
        env["STREAMZIP_CA_FILE"] = str(ca)
    if checkout is not None:
        env |= {"PYTHONPATH": str(checkout.absolute()), "PYTHONSAFEPATH": "1"}
    start = "from streamzip.cli import main; main()"
    command = [*prefix, sys.executable, "-c", start, "serve", "--port", str(port), "--data", str(folder)]
    return Gateway(Process(command, port, folder / "log", env), folder / "spool")


def plain(folder: Path, ca: Path | None = None) -> Gateway:
    """benchmarks/plain_gateway.py."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.plain_gateway", str(port), *([str(ca)] if ca else [])]
    return Gateway(Process(command, port, folder / "log"), folder / "none")
