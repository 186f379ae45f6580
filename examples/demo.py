#!/usr/bin/env python3
"""The main job by itself: an origin, a gateway, one archive created, cut off, resumed and checked; then a failure.

Everything runs on loopback, on free ports, in a folder that is removed at the end. Exit status 0: every check held.
"""

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MIB = 1 << 20
MEMBERS = {"beach.jpg": "/may/beach.jpg", "beach (2).jpg": "/june/beach.jpg", "film.mov": "/film.mov"}
BROKEN = "/broken.bin"
PACE = 12 * MIB  # bytes a second and connection, so that a download on loopback lasts long enough to be cut off


def content(seed: str, size: int) -> bytes:
    """Bytes that no compressor shrinks, the same on every run."""
    return hashlib.shake_256(seed.encode()).digest(size)


@dataclass
class Site:
    """What the origin serves, and how many bytes of bodies it has sent. `breaks`: paths, and where each breaks off."""

    files: dict[str, bytes]
    breaks: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Files(BaseHTTPRequestHandler):
    """An ordinary file server: lengths, strong ETags, ranges. Only its broken files are unusual."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        body = self.site.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, stop = (int(asked[1]), min(int(asked[2] or len(body)) + 1, len(body))) if asked else (0, len(body))
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}")
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()[:16]}"')
        self.send_header("Last-Modified", "Fri, 01 May 2026 10:00:00 GMT")
        self.end_headers()
        end = min(stop, self.site.breaks.get(self.path, stop))
        with contextlib.suppress(OSError):
            for at in range(start, end, 64 << 10):
                piece = body[at : min(at + (64 << 10), end)]
                self.wfile.write(piece)
                with self.site.lock:
                    self.site.sent += len(piece)
                time.sleep(len(piece) / PACE)
        self.close_connection = self.close_connection or end < stop

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """The origin. A gateway that hangs up early is nothing to report."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextlib.contextmanager
def origin(site: Site) -> Iterator[str]:
    """The origin, running; its host:port."""
    server = Server(("127.0.0.1", 0), type("Bound", (Files,), {"site": site}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def gateway(folder: Path, allowed: str) -> Iterator[str]:
    """The gateway as `make run` starts it, on a free port; its host:port."""
    program = Path(sys.executable).with_name("streamzip")
    if not program.exists():
        raise SystemExit(f"there is no {program}; start the demo with: make demo")
    flags = ["--port", "0", "--data", str(folder / "data"), "--allow-hosts", allowed, "--max-attempts", "3"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
    log = folder / "gateway.log"
    with log.open("wb") as stderr, subprocess.Popen([program, "serve", *flags], stderr=stderr, env=clean) as process:
        try:
            yield _listening(log, process)
        except BaseException:
            sys.stderr.write(f"\nThe gateway's log:\n{log.read_text()}")
            raise
        finally:
            process.terminate()


def _listening(log: Path, process: "subprocess.Popen[bytes]") -> str:
    for _ in range(300):
        for line in log.read_text().splitlines():
            if '"event": "listening"' in line:
                return str(json.loads(line)["url"]).partition("//")[2]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit("the gateway did not start")


@dataclass
class Answer:
    """A response, as far as it came. `whole`: its body ended as its headers had promised."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def document(self) -> dict[str, Any]:
        """The body as JSON."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


def ask(
    gateway: str, method: str, path: str, *, body: object = None, headers: dict[str, str] | None = None,
    leave_after: int | None = None,
) -> Answer:  # fmt: skip
    """One request. `leave_after`: hang up once so many bytes of the body are here."""
    connection = http.client.HTTPConnection(gateway, timeout=60)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        response = connection.getresponse()
        received, whole = bytearray(), True
        try:
            while leave_after is None or len(received) < leave_after:
                piece = response.read(64 << 10)
                if not piece:
                    break
                received += piece
        except (http.client.IncompleteRead, OSError):
            whole = False
        promised = response.getheader("Content-Length")
        if method != "HEAD" and promised is not None and len(received) < int(promised):
            whole = False
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, bytes(received), whole)
    finally:
        connection.close()


def say(text: str = "") -> None:
    print(textwrap.fill(text, 100, subsequent_indent="   ") if text else "", flush=True)


def show(document: object) -> None:
    print(textwrap.indent(json.dumps(document, indent=2, ensure_ascii=False), "   | "), flush=True)


def must(held: bool, what: str) -> None:
    """A demo that lies is worse than none."""
    if not held:
        raise SystemExit(f"NOT AS IT SHOULD BE: {what}")


def main_job(gateway: str, host: str, site: Site, folder: Path) -> None:
    """Create, HEAD, a download that is cut off, its other half, and the check."""
    size = sum(len(site.files[path]) for path in MEMBERS.values())
    say(f"1. Create an archive of three files, {size:,} bytes in all")
    urls = [f"http://{host}{path}" for path in MEMBERS.values()]
    created = ask(gateway, "POST", "/api/archive/create", body={"urls": urls})
    must(created.status == 201, f"create answered {created.status}")
    hash = str(created.document["archive_hash"])
    say(f"   {created.status}: it is archive {hash}")
    for renamed in created.document["renamed"]:
        say(f"   two files have one name: the second becomes {renamed['name']!r}")
    path = f"/archive/get/{hash}.zip"

    say("2. Ask how long the download will be, before a file was pulled")
    head = ask(gateway, "HEAD", path)
    must(head.status == 200 and "etag" in head.headers, "HEAD gave no length")
    length, etag = int(head.headers["content-length"]), head.headers["etag"]
    before = site.sent
    must(before < size // 10, f"the origin had sent {before:,} bytes by then")
    say(f"   exactly {length:,} bytes, ETag {etag}; the origin has sent {before:,} bytes, to be probed")

    say("3. Download it, and hang up in the middle")
    first = ask(gateway, "GET", path, leave_after=length // 3)
    must(first.status == 200 and not first.whole, "the first download was not cut off")
    say(f"   {len(first.body):,} bytes are here")

    say("4. Resume: Range from there, If-Range with the ETag")
    rest = ask(gateway, "GET", path, headers={"Range": f"bytes={len(first.body)}-", "If-Range": etag})
    must(rest.status == 206 and rest.whole, f"the resume answered {rest.status}")
    archive = first.body + rest.body
    must(len(archive) == length, f"{len(archive):,} bytes instead of {length:,}")
    say(f"   {rest.status}, {rest.headers['content-range']}; together exactly {length:,} bytes")
    pulled = site.sent
    say(
        f"   the origin has sent {pulled:,} bytes in all, {pulled - size:,} more than the files have: the probe, and "
        "what was under way when we hung up. What had been pulled was not pulled again"
    )
    must(pulled < size * 1.2, "more was pulled again than was under way")

    say("5. Check it")
    check(folder / "archive.zip", archive, site)

    say("6. Download it once more")
    again = ask(gateway, "GET", path)
    must(again.body == archive and again.headers["etag"] == etag, "the second download differs")
    must(site.sent == pulled, "the origin was asked again")
    say("   the same bytes and ETag, from the copy; the origin was not asked")
    state = str(ask(gateway, "GET", f"/api/archive/status/{hash}").document["status"])
    say(f"   status: {state}")
    must(state == "completed", f"the status is {state}")


def check(path: Path, archive: bytes, site: Site) -> None:
    """By unzip where it is installed, and member by member by Python."""
    path.write_bytes(archive)
    if shutil.which("unzip"):
        tested = subprocess.run(["unzip", "-t", str(path)], capture_output=True, text=True, check=False)
        print(textwrap.indent(tested.stdout.replace(str(path), path.name), "   | "), end="")
        must(tested.returncode == 0, "unzip found an error")
    else:
        say("   unzip is not installed; Python's zipfile checks alone")
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    must(members == {name: site.files[path] for name, path in MEMBERS.items()}, "a member is not the file")
    say("   every member is the origin's file, byte for byte")


def forced_failure(gateway: str, host: str) -> None:
    """An origin that breaks off in the middle of a file, at every attempt."""
    say("7. Now a failure: an origin that breaks off in the middle of its file, for good")
    created = ask(gateway, "POST", "/api/archive/create", body={"urls": [f"http://{host}{BROKEN}"]})
    hash = str(created.document["archive_hash"])
    path = f"/archive/get/{hash}.zip"
    answer = ask(gateway, "GET", path)
    must(answer.status == 200 and not answer.whole, "the download ended as if it were whole")
    promised = int(answer.headers["content-length"])
    say(
        f"   200, then the connection was cut after {len(answer.body):,} of {promised:,} bytes: no client takes that "
        "for a whole archive"
    )
    status = ask(gateway, "GET", f"/api/archive/status/{hash}").document
    must(status["status"] == "failed", f"the status is {status['status']}")
    say(f"   status: {status['status']}, code {status['code']}")
    say("8. Ask for the bytes behind the break: nothing was sent yet, so the answer can say what is wrong")
    answer = ask(gateway, "GET", path, headers={"Range": f"bytes={len(answer.body)}-"})
    must(answer.status == 502, f"the answer was {answer.status}")
    say(f"   {answer.status} {answer.headers['content-type']}")
    show(answer.document)


def main() -> None:
    sizes = {"/may/beach.jpg": 3 * MIB, "/june/beach.jpg": 40_000, "/film.mov": 20 * MIB, BROKEN: 4 * MIB}
    site = Site({path: content(path, size) for path, size in sizes.items()}, breaks={BROKEN: MIB})
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="streamzip-demo-") as name,
        origin(site) as host,
        gateway(Path(name), host) as address,
    ):
        say(f"An origin on {host}, a gateway on {address}")
        say()
        main_job(address, host, site, Path(name))
        say()
        forced_failure(address, host)
    say()
    say(f"All of it as it should be, in {time.monotonic() - begun:.0f} s. The servers are stopped, the folder is gone.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
