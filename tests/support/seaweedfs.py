"""A real S3 server for tests, SeaweedFS: on ports of 127.0.0.1 and in a temporary folder, started by the tests.

Tests share one server (`shared`), each with buckets of its own. It takes 4 seconds to start and 150 MB of memory, so
the first test that asks for it starts it, whichever of several pytest processes that is; the process that started the
others ends it (`end_shared`). Tests that kill a server start one for themselves (`running`).
"""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest

ACCESS_KEY: Final = "testkey"
SECRET_KEY: Final = "testsecret"
REGION: Final = "us-east-1"  # SeaweedFS takes any; a signature names one
STARTS_WITHIN: Final = 60.0
_SHARED: Final = "SEAWEEDFS_TEST_FOLDER"  # the folder of the shared server, for all processes of one pytest run
_PARTS: Final = ("master", "volume", "filer", "s3")
_ACTIONS: Final = ("Admin", "Read", "Write", "List", "Tagging")


class SeaweedFS:
    """One server with all its parts in one process, its files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on the ports that it had before, and return when it takes requests and has room for objects."""
        again = self._folder.exists()
        if not again:
            self._make()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(again=again),
                cwd=self._folder,
                env=os.environ | {"GOMEMLIMIT": "256MiB", "GOMAXPROCS": "2"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
            )
        (self._folder / "pid").write_text(str(self._process.pid))
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._takes_objects():
            said = (self._folder / "log").read_text()[-4000:]
            assert self._process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.05)  # it tells nobody that it has started

    def _make(self) -> None:
        (self._folder / "data").mkdir(parents=True)
        with contextlib.ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in range(2 * len(_PARTS))]
            for each in sockets:
                each.bind(("127.0.0.1", 0))
            free = iter([each.getsockname()[1] for each in sockets])
            ports = {part: [next(free), next(free)] for part in _PARTS}
        (self._folder / "ports").write_text(json.dumps(ports))
        credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        identity = {"name": "tests", "credentials": credentials, "actions": _ACTIONS}
        (self._folder / "s3.json").write_text(json.dumps({"identities": [identity]}))

    def _command(self, *, again: bool) -> list[str]:
        options = {
            "dir": f"{self._folder}/data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": "64",
            "volume.max": "2000",  # a bucket takes seven, and a whole run makes many; an empty one is a few bytes
            "filer.localSocket": f"{self._folder}/filer.sock",
            "s3.localSocket": f"{self._folder}/s3.sock",
            "s3.config": f"{self._folder}/s3.json",
            "s3.iam": "false",
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
        }
        if again:
            # After a kill the only master waits twice this for others; a busy machine needs more of it all the while.
            options["master.electionTimeout"] = "1s"
        for part, (port, grpc) in self._ports().items():
            options |= {f"{part}.port": str(port), f"{part}.port.grpc": str(grpc)}
        named = [f"-{name}={value}" for name, value in options.items()]
        return ["weed", "-logtostderr=true", "server", "-filer", "-s3", *named]

    def _ports(self) -> dict[str, list[int]]:
        ports: dict[str, list[int]] = json.loads((self._folder / "ports").read_text())
        return ports

    def _takes_objects(self) -> bool:
        """Tell whether an object can be put and deleted: it listens before its volumes can be written."""
        url = f"http://127.0.0.1:{self._ports()['filer'][0]}/buckets/ready/{secrets.token_hex(4)}"
        try:
            for method in ("PUT", "DELETE"):
                with urllib.request.urlopen(urllib.request.Request(url, data=b"1", method=method), timeout=5):
                    pass
            with urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=5):
                return True
        except OSError:
            return False

    def leave(self) -> None:
        """Let it outlive this process."""
        assert self._process is not None
        self._process.returncode = 0  # else Python warns of a child that nobody waited for
        self._process = None

    def kill(self) -> None:
        """End it with kill -9, which loses nothing acknowledged; when asked to end, it takes 19 seconds."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(int((self._folder / "pid").read_text()), signal.SIGKILL)
        if self._process is not None:
            self._process.wait(STARTS_WITHIN)
        for part, (_, grpc) in self._ports().items():
            Path(f"/tmp/seaweedfs-{part}-grpc-{grpc}.sock").unlink(missing_ok=True)

    def pause(self) -> None:
        """Stop it from answering, its connections open, until `resume`."""
        os.kill(int((self._folder / "pid").read_text()), signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        os.kill(int((self._folder / "pid").read_text()), signal.SIGCONT)

    @property
    def authority(self) -> str:
        """The `host:port` of its S3 interface."""
        return f"127.0.0.1:{self._ports()['s3'][0]}"

    @property
    def endpoint(self) -> str:
        """The URL of its S3 interface."""
        return f"http://{self.authority}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that name it and its credentials to programs that speak S3."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
        }

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> "Answer":
        """Send a signed request, and return its answer; AssertionError for a status that is not 2xx."""
        sending = {"Host": self.authority, "Content-Length": str(len(body)), **(headers or {})}
        signed = _sign(HttpRequest(method, path, HttpHeaders(list(sending.items()))), hashlib.sha256(body).hexdigest())
        connection = http.client.HTTPConnection(self.authority, timeout=30)
        try:
            connection.request(method, path, body, dict(signed.headers))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        assert answer.status // 100 == 2, (answer.status, content)
        return Answer(answer.headers, content)

    def fresh_bucket(self, *, versioned: bool = False) -> "Bucket":
        """Make a new, empty bucket; `versioned`: it keeps each version of an object."""
        name = f"test-{secrets.token_hex(6)}"
        self.ask("PUT", f"/{name}")
        if versioned:
            enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
            self.ask("PUT", f"/{name}?versioning=", enabled)
        return Bucket(name, self)


@dataclass(frozen=True)
class Answer:
    """What the server answered to a request that it took."""

    headers: Message
    content: bytes


class Bucket:
    """A bucket of the test's own."""

    def __init__(self, name: str, server: SeaweedFS) -> None:
        self.name = name
        self._server = server

    def url(self, key: str = "") -> str:
        """Return `s3://bucket/key`, percent-encoded."""
        return f"s3://{self.name}/{quote(key)}"

    def put(self, key: str, content: bytes, **headers: str) -> str | None:
        """Store an object, and return its version where the bucket keeps versions; `storage_class="…"` and the like."""
        named = {f"x-amz-{name.replace('_', '-')}": value for name, value in headers.items()}
        return self._server.ask("PUT", self._path(key), content, named).headers["x-amz-version-id"]

    def get(self, key: str) -> bytes:
        """Return an object's content."""
        return self._server.ask("GET", self._path(key)).content

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._server.ask("DELETE", self._path(key))

    def keys(self) -> list[str]:
        """Return the keys of its objects, in the server's order."""
        found: list[str] = []
        more = ""
        while True:
            content = self._server.ask("GET", f"/{self.name}?{more}list-type=2").content
            page = {each.tag.rpartition("}")[2]: each.text for each in ElementTree.fromstring(content).iter()}
            found += [each.text or "" for each in ElementTree.fromstring(content).iter() if each.tag.endswith("}Key")]
            if page["IsTruncated"] != "true":
                return found
            more = f"continuation-token={quote(page['NextContinuationToken'] or '', safe='')}&"

    def _path(self, key: str) -> str:
        return f"/{self.name}/{quote(key)}"


def _sign(request: HttpRequest, digest: str) -> HttpRequest:
    """Return the request with its signature (AWS SigV4, in header fields)."""
    config = AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4,
        signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=AwsCredentialsProvider.new_static(ACCESS_KEY, SECRET_KEY),
        region=REGION,
        service="s3",
        use_double_uri_encode=False,
        should_normalize_uri_path=False,
        signed_body_value=digest,
        signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
    )
    return aws_sign_request(request, config).result(STARTS_WITHIN)


@contextlib.contextmanager
def running() -> Iterator[SeaweedFS]:
    """Give a server of the test's own."""
    with tempfile.TemporaryDirectory(prefix="streamzip-seaweedfs-") as folder:
        server = SeaweedFS(Path(folder) / "server")
        try:
            server.start()
            yield server
        finally:
            server.kill()


def shared() -> SeaweedFS:
    """Return the server of this pytest run, started by the first that asks."""
    folder = Path(os.environ[_SHARED])
    server = SeaweedFS(folder / "server")
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "server" / "pid").exists():
            server.start()
            server.leave()
    return server


def prepare_shared() -> bool:
    """Name the folder of the shared server, before other pytest processes are started; nothing is started yet.

    Returns whether the caller is the one that ends it.
    """
    if first := _SHARED not in os.environ:
        os.environ[_SHARED] = tempfile.mkdtemp(prefix="streamzip-seaweedfs-")
    return first


def end_shared() -> None:
    """End the shared server, where one runs, and remove its folder."""
    folder = Path(os.environ.pop(_SHARED))
    if (folder / "server" / "pid").exists():
        SeaweedFS(folder / "server").kill()
    shutil.rmtree(folder, ignore_errors=True)
