"""Several gateways on one machine: PostgreSQL, an S3 server, nginx and three gateways, one of which is killed in
mid-download.

    make cluster

Everything is started here, on ports of 127.0.0.1, in a temporary folder, and ended at the end, also by Ctrl-C.
"""

import base64
import contextlib
import http.client
import io
import os
import secrets
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
from demo import MIB, Answer, Site, ask, content, must, origin, say
from servers import bucket, free_port, nginx, postgresql, ready, running, until

from streamzip.access.api_keys import new_key

FILES = {"/cover.jpg": 300_000, "/film.mov": 100 * MIB, "/notes.pdf": 2 * MIB}
KEYS, WEBHOOKS = f"k1:{secrets.token_hex(32)}", f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
ADMIN, ADMIN_LINE = new_key("operator")
UNTOLD = 16 * MIB  # what a gateway pulls, at most, before it tells the others of it
PART = 8 * MIB
PROGRAM = str(Path(sys.executable).with_name("streamzip"))


@dataclass
class Node:
    """One of the gateways."""

    name: str
    address: str
    process: "subprocess.Popen[bytes]"
    log: Path
    data: Path

    def says(self, text: str) -> bool:
        """Return whether its log has the text."""
        return text in self.log.read_text()

    def wait_for(self, event: str) -> None:
        """Wait until its log has the event; end the program where it does not come."""
        deadline = time.monotonic() + 30
        while not self.says(f'"event": "{event}"'):
            must(time.monotonic() < deadline, f"{self.name} did not say {event}:\n{self.log.read_text()}")
            time.sleep(0.05)

    def evict(self, archive_hash: str) -> None:
        """Have it remove its copy, as soon as nobody reads it any more."""
        command = [PROGRAM, "admin", "evict", archive_hash, "--server", f"http://{self.address}", "--key", ADMIN]
        deadline = time.monotonic() + 30
        while (ended := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
            must(time.monotonic() < deadline, f"{self.name} did not evict the copy: {ended.stderr}")
            time.sleep(0.2)


@contextlib.contextmanager
def gateway(name: str, folder: Path, shared: dict[str, str], front: str, allowed: str) -> Iterator[Node]:
    """A gateway, begun and not awaited yet. `shared`: the variables that name the store and the bucket."""
    port, log, data = free_port(), folder / f"{name}.log", folder / name
    clean = {key: value for key, value in os.environ.items() if not key.startswith("STREAMZIP_")}
    settings = {
        "STREAMZIP_SECRET_KEYS": KEYS,
        "STREAMZIP_ADMIN_KEYS": ADMIN_LINE,
        "STREAMZIP_WEBHOOK_SECRET": WEBHOOKS,
        "STREAMZIP_PUBLIC_URL": f"http://{front}",
        "STREAMZIP_NODE": name,
        "STREAMZIP_ALLOW_HOSTS": allowed,
    }
    command = [PROGRAM, "serve", "--port", str(port), "--data", str(data)]
    with running(command, log, env=clean | shared | settings) as process:
        yield Node(name, f"127.0.0.1:{port}", process, log, data)


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
            if node is not victim and node.says('"status": 206'):
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

    archive = first.body + rest.body
    last = next(node for node in nodes if node not in (victim, heir))
    show_bucket(front, path, archive, site, heir, last)

    say("7. Ask another gateway for the status, and delete the archive there")
    state = ask(last.address, "GET", f"/api/archive/status/{hash}").document
    say(f"   {last.name}: {state['status']}, {state['progress']['bytes']:,} bytes were pulled")
    must(state["progress"]["bytes"] > 0, "the status is that of one gateway alone")
    token = str(created.document["delete_token"])
    deleted = ask(last.address, "DELETE", f"/api/archive/{hash}", headers={"X-Delete-Token": token})
    must(deleted.status == 204, f"the delete answered {deleted.status}")
    must(ask(heir.address, "HEAD", path).status == 404, "the archive is not gone everywhere")
    say(f"   204, and {heir.name} answers 404")


def show_bucket(front: str, path: str, archive: bytes, site: Site, heir: Node, last: Node) -> None:
    """Have a finished copy put into the bucket and evicted from the disk, and two gateways serve it from there."""
    say(f"5. Download all of it: {heir.name} has only what it sent, and pulls the rest. Its copy goes into the bucket")
    whole = ask(front, "GET", path)
    must(whole.status == 200 and whole.body == archive, "the whole download gave other bytes")
    heir.wait_for("copy_offloaded")
    before = site.sent
    archive_hash = path.rpartition("/")[2].partition(".")[0]
    heir.evict(archive_hash)
    for node in (heir, last):
        copies = [each for each in (node.data / "spool").rglob(f"{archive_hash}*") if each.suffix == ".zip"]
        must(not copies, f"{node.name} has a copy on its disk")
    say(f"   then it is taken from {heir.name}'s disk: the bucket alone has it, {len(archive):,} bytes")

    say(f"6. Download it from {last.name}, which never had it, and from {heir.name}")
    for node in (last, heir):
        began = time.monotonic()
        again = ask(node.address, "GET", path)
        must(again.status == 200 and again.body == archive, f"{node.name} gave other bytes")
        say(f"   {node.name}: the same bytes in {time.monotonic() - began:.1f} s")
    must(site.sent == before, "the origin was asked again")
    say("   the origin has sent nothing for these two")


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
        shared = stack.enter_context(bucket(folder)) | {"STREAMZIP_STORE_URL": store}
        names = ("gateway-1", "gateway-2", "gateway-3")
        nodes = [stack.enter_context(gateway(each, folder, shared, front, host)) for each in names]
        for node in nodes:
            until(partial(ready, node.address), node.process, node.log)
        stack.enter_context(nginx(folder, front, [node.address for node in nodes]))
        say(f"nginx on {front}, three gateways behind it, PostgreSQL, a bucket, an origin on {host}: all of it here")
        say()
        show_it(front, host, store, nodes, site)
    say()
    say(f"All of it as it should be, in {time.monotonic() - begun:.0f} s. The servers are stopped, the folder is gone.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
