"""Several gateways on one machine: PostgreSQL, nginx and three gateways, one of which is killed in mid-download.

    make cluster

Everything is started here, on ports of 127.0.0.1, in a temporary folder, and ended at the end, also by Ctrl-C.
"""

import base64
import contextlib
import http.client
import io
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from demo import MIB, Answer, Site, ask, content, must, origin, say

ROOT = Path(__file__).parent.parent
FILES = {"/cover.jpg": 300_000, "/film.mov": 100 * MIB, "/notes.pdf": 2 * MIB}
KEYS, WEBHOOKS = f"k1:{secrets.token_hex(32)}", f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
STARTS_WITHIN = 40.0  # seconds
UNTOLD = 16 * MIB  # what a gateway pulls, at most, before it tells the others of it
PART = 8 * MIB


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, *places: str) -> str:
    """Return where the program is."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", *places])
    found = shutil.which(name, path=path)
    if found is None:
        raise SystemExit(f"{name} is not here; on Debian scripts/test-tools installs it")
    return found


@contextlib.contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server for as long as the context lasts; Ctrl-C is for this program, not for it."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL of its own; its URL. It never runs as root."""
    places = [str(path.parent) for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    data, port = folder / "postgresql", free_port()
    data.mkdir()
    user = None
    if os.geteuid() == 0:
        user = "postgres" if "postgres" in {each.pw_name for each in pwd.getpwall()} else "nobody"
        shutil.chown(data, user)
    as_user: dict[str, Any] = {"user": user, "cwd": "/"}
    how = ["-D", str(data), "--no-sync", "--auth=trust", "--username=streamzip", "--encoding=UTF8", "--locale=C.UTF-8"]
    subprocess.run([program("initdb", *places), *how], check=True, stdout=subprocess.DEVNULL, **as_user)
    url = f"postgresql://streamzip@127.0.0.1:{port}/postgres"
    listen = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={port}", "-c", "unix_socket_directories="]
    command = [program("postgres", *places), "-D", str(data), *listen]
    with running(command, folder / "postgresql.log", **as_user) as process:
        _until(lambda: _answers(url), process, folder / "postgresql.log")
        yield url


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2).close()
        return True
    return False


@dataclass
class Node:
    """One of the gateways."""

    name: str
    address: str
    process: "subprocess.Popen[bytes]"
    log: Path
    data: Path

    def resumed(self) -> bool:
        """Return whether it has given out the rest of a download."""
        return '"status": 206' in self.log.read_text()


@contextlib.contextmanager
def gateway(name: str, folder: Path, store: str, front: str, allowed: str) -> Iterator[Node]:
    """A gateway on the store, begun and not awaited yet."""
    port, log, data = free_port(), folder / f"{name}.log", folder / name
    clean = {key: value for key, value in os.environ.items() if not key.startswith("STREAMZIP_")}
    settings = {
        "STREAMZIP_STORE_URL": store,
        "STREAMZIP_SECRET_KEYS": KEYS,
        "STREAMZIP_WEBHOOK_SECRET": WEBHOOKS,
        "STREAMZIP_PUBLIC_URL": f"http://{front}",
        "STREAMZIP_NODE": name,
        "STREAMZIP_ALLOW_HOSTS": allowed,
    }
    command = [str(Path(sys.executable).with_name("streamzip")), "serve", "--port", str(port), "--data", str(data)]
    with running(command, log, env=clean | settings) as process:
        yield Node(name, f"127.0.0.1:{port}", process, log, data)


@contextlib.contextmanager
def nginx(folder: Path, front: str, nodes: list[Node]) -> Iterator[None]:
    """The nginx that is shipped for several gateways, in front of these."""
    run = folder / "nginx"
    run.mkdir()
    places = ["--listen", front, "--gateways", ",".join(node.address for node in nodes)]
    places += ["--run", str(run), "--access-log", str(run / "access.log")]
    made = subprocess.run([sys.executable, ROOT / "scripts" / "nginx-conf", *places], check=True, capture_output=True)
    conf = run / "nginx.conf"
    conf.write_bytes(made.stdout)
    user = " user root;" if os.geteuid() == 0 else ""
    command = [program("nginx"), "-c", str(conf), "-p", str(run), "-e", "stderr", "-g", f"daemon off;{user}"]
    with running(command, folder / "nginx.log") as process:
        _until(lambda: _ready(front), process, folder / "nginx.log")
        yield


def _ready(address: str) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return ask(address, "GET", "/readyz").status == 200
    return False


def _until(reached: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while not reached():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"it did not start:\n{log.read_text()}")
        time.sleep(0.05)


def owner_of(archive_hash: str, store: str, nodes: list[Node]) -> Node:
    """Return the gateway that pulls the archive, as the store has it from them, once it has told of what it pulled."""
    ids = {(node.data / "node").read_text().strip(): node for node in nodes}
    with psycopg.connect(store, autocommit=True) as connection:
        for _ in range(200):
            query = "SELECT node FROM holdings JOIN facts USING (hash, node) WHERE hash = %s AND active"
            row = connection.execute(query, (archive_hash,)).fetchone()
            if row is not None:
                return ids[row[0]]
            time.sleep(0.05)
    raise SystemExit("NOT AS IT SHOULD BE: no gateway says that it pulls the archive")


def heir_of(victim: Node, nodes: list[Node]) -> Node:
    """Return the gateway that gave out the rest, as its log has it."""
    for _ in range(200):
        for node in nodes:
            if node is not victim and node.resumed():
                return node
        time.sleep(0.05)
    raise SystemExit("NOT AS IT SHOULD BE: no gateway says that it gave out the rest")


def interrupted(front: str, path: str, store: str, nodes: list[Node]) -> tuple[Answer, Node]:
    """Download, and kill the gateway that serves it in the middle; what came, and which it was."""
    connection = http.client.HTTPConnection(front, timeout=60)
    received, victim = bytearray(), None
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        promised = int(response.headers["Content-Length"])
        with contextlib.suppress(http.client.IncompleteRead, OSError):
            while piece := response.read1(64 << 10):
                received += piece
                if victim is None and len(received) > promised // 2:
                    victim = owner_of(path.rpartition("/")[2].partition(".")[0], store, nodes)
                    victim.process.kill()
        must(victim is not None and len(received) < promised, "the download was not cut off")
        assert victim is not None
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, bytes(received), False), victim
    finally:
        connection.close()


def show_it(front: str, host: str, store: str, nodes: list[Node], site: Site) -> None:
    """Create, download, kill, resume, count."""
    size = sum(FILES.values())
    say(f"1. Create an archive of {len(FILES)} files, {size:,} bytes in all, through nginx")
    created = ask(front, "POST", "/api/archive/create", body={"urls": [f"http://{host}{path}" for path in FILES]})
    must(created.status == 201, f"create answered {created.status}")
    hash = str(created.document["archive_hash"])
    path = f"/archive/get/{hash}.zip"

    say("2. Download it, and kill -9 its gateway in the middle")
    first, victim = interrupted(front, path, store, nodes)
    before, length = site.sent, int(first.headers["content-length"])
    say(f"   {victim.name} is dead; {len(first.body):,} of {length:,} bytes are here, the origin has sent {before:,}")

    say("3. Resume through nginx: Range from there, If-Range with the ETag")
    began = time.monotonic()
    etag = first.headers["etag"]
    rest = ask(front, "GET", path, headers={"Range": f"bytes={len(first.body)}-", "If-Range": etag})
    must(rest.status == 206 and rest.whole, f"the resume answered {rest.status}")
    must(rest.headers["etag"] == etag, "another ETag")
    must(len(first.body) + len(rest.body) == length, "the lengths do not add up")
    heir = heir_of(victim, nodes)
    say(f"   {rest.status} from {heir.name} in {time.monotonic() - began:.1f} s, with the same ETag")

    say("4. Check it, member by member")
    check(first.body + rest.body, site)
    overlap = site.sent - size
    say(
        f"   the origin sent {site.sent:,} bytes in all: {overlap:,} more than the files have. That is what the dead "
        "gateway was ahead of its reader, and what it had not told the others of"
    )
    must(site.sent < 2 * size - len(first.body) + UNTOLD + 4 * PART, "what lay before was pulled again")

    say("5. Ask another gateway for the status, and delete the archive there")
    last = next(node for node in nodes if node not in (victim, heir))
    state = ask(last.address, "GET", f"/api/archive/status/{hash}").document
    say(f"   {last.name}: {state['status']}, {state['progress']['bytes']:,} bytes are at {heir.name}")
    must(state["progress"]["bytes"] > 0, "the status is that of one gateway alone")
    token = str(created.document["delete_token"])
    deleted = ask(last.address, "DELETE", f"/api/archive/{hash}", headers={"X-Delete-Token": token})
    must(deleted.status == 204, f"the delete answered {deleted.status}")
    must(ask(heir.address, "HEAD", path).status == 404, "the archive is not gone everywhere")
    say(f"   204, and {heir.name} answers 404")


def check(archive: bytes, site: Site) -> None:
    """Every member is its origin's file."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members = {f"/{name}": opened.read(name) for name in opened.namelist()}
    must(members == site.files, "a member is not the file")
    say(f"   all {len(members)} members are the origin's files, byte for byte")


def main() -> None:
    site = Site({path: content(path, size) for path, size in FILES.items()})
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="streamzip-cluster-"))
        folder, front = Path(name), f"127.0.0.1:{free_port()}"
        folder.chmod(0o755)  # PostgreSQL's user has a folder in it
        host = stack.enter_context(origin(site))
        store = stack.enter_context(postgresql(folder))
        names = ("gateway-1", "gateway-2", "gateway-3")
        nodes = [stack.enter_context(gateway(each, folder, store, front, host)) for each in names]
        for node in nodes:
            _until(partial(_ready, node.address), node.process, node.log)
        stack.enter_context(nginx(folder, front, nodes))
        say(f"nginx on {front}, three gateways behind it, one PostgreSQL, an origin on {host}: ports of this machine")
        say()
        show_it(front, host, store, nodes, site)
    say()
    say(f"All of it as it should be, in {time.monotonic() - begun:.0f} s. The servers are stopped, the folder is gone.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
