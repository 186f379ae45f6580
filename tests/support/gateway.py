"""A real gateway for tests: `streamzip serve` in a process of its own, on a port of 127.0.0.1 that it keeps for life.

    with Gateway(tmp_path / "data", allow=[origin.authority]) as gateway:
        created = gateway.create(urls=[origin.url("/a.png")])
        body = gateway.download(created["archive_hash"])
        gateway.kill()      # -9
        gateway.start()     # the same data, the same port

What it logs is read as it comes, and may be waited for; a test never sleeps to see something happen.
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Any, Self, cast

import httpx

from tests.support import lookahead, paired, postgresql, told

COMMAND = Path(sys.executable).with_name("streamzip")  # of the environment that runs the tests
# sd_listen_fds(3): the socket is descriptor 3, and the variables name the process that it is for.
_HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""
STARTS_WITHIN = 90.0  # seconds: on a busy machine, where several start at once
STOPS_WITHIN = 5.0
MEASURED = "COVERAGE_PROCESS_CONFIG" in os.environ  # by `make coverage`, which counts the lines that ran
POLL = 0.01  # seconds between two questions for a status; the interface to be tested is a polled one

# What every gateway of a shared store must be told; a test's own settings come before these.
_ON_POSTGRESQL = {
    "STREAMZIP_SECRET_KEYS": f"k1:{'5e' * 32}",
    "STREAMZIP_WEBHOOK_SECRET": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
}


class Gateway:
    """One `streamzip serve`. `env`: settings without their prefix, as `prefetch="urls"`.

    `Worker` is a `streamzip worker` in its place, which answers nobody.

    `under`: a command that runs it as its own process, as `strace -D` does. Where the tests run on PostgreSQL (`pytest
    --postgresql`) its store is a new schema there, the same for every gateway of one data folder. With `pytest
    --cluster` it is a Pair: two nodes of one store.
    """

    def __new__(cls, data: Path, *, allow: Iterable[str] = (), under: Sequence[str] = (), **env: str) -> Self:
        """Return a Pair where the tests run on pairs, and this one can be one."""
        if cls is Gateway and paired.fits(under, env):
            from tests.support.pairs import Pair  # which is a Gateway itself

            return cast(Self, super().__new__(Pair))
        return super().__new__(cls)

    def __init__(self, data: Path, *, allow: Iterable[str] = (), under: Sequence[str] = (), **env: str) -> None:
        self.data = data
        self._handed: list[int] = []
        self._shared: dict[str, str] = {}  # variables of all nodes of one store
        self._under = under
        self._env = {f"STREAMZIP_{name.upper()}": value for name, value in env.items()}
        self._env["STREAMZIP_ALLOW_HOSTS"] = ",".join(allow)
        told.hear(self)
        self._env.setdefault("STREAMZIP_ALLOWED_HOSTS", "a")  # what tests that write their own requests say as Host
        parts = lookahead.for_gateway(data)
        if parts is not None:
            self._env.setdefault("STREAMZIP_LOOKAHEAD", parts)
        self.store_url = postgresql.url_for(data) if postgresql.chosen() else None
        self._process: subprocess.Popen[str] | None = None
        self._reading: threading.Thread | None = None
        self._logged = threading.Condition()
        self._lines: list[dict[str, Any]] = []
        self._ended = False
        self.port = 0
        # No connection is kept: each request opens its own, so that what a test sees of sockets is what it did.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._unix = env.get("unix")
        transport = None if self._unix is None else httpx.HTTPTransport(uds=self._unix, limits=limits)
        self.client = httpx.Client(trust_env=False, limits=limits, timeout=60, transport=transport)

    @classmethod
    def handed(cls, listening: socket.socket, data: Path, *, allow: Iterable[str] = (), **env: str) -> Self:
        """Return a gateway that is handed its socket, as by systemd."""
        number = listening.fileno()
        gateway = cls(data, allow=allow, under=[sys.executable, "-c", _HAND_OVER, str(number)], **env)
        gateway._handed = [number]
        return gateway

    # -- the process -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._await(self._begin())

    def _begin(self) -> int:
        """Start the process, and return how many lines there were before its first."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
        if self.store_url is not None:
            self.port = self.port or _free_port()
            environment |= _ON_POSTGRESQL | {"STREAMZIP_STORE_URL": self.store_url, "STREAMZIP_PUBLIC_URL": self.base}
        return self._launch("serve", environment | self._shared)

    def _await(self, before: int) -> None:
        """Wait until it answers."""

        def listens(line: Mapping[str, Any]) -> bool:
            return line.get("event") == "listening" and self.port in (0, _port_of(line["url"]))

        listening = self.until_logged(listens, after=before, seconds=STARTS_WITHIN)
        if self._unix is None:
            self.port = _port_of(listening["url"])
        else:
            assert listening["url"] == f"unix:{self._unix}"
        self.client.base_url = httpx.URL(self.base)
        # It listens before its store is open; a request waits for that in the socket's queue.
        assert self.client.get("/readyz").status_code == 200

    def _launch(self, command: str, environment: Mapping[str, str]) -> int:
        """Start the process, and return how many lines there were before its first."""
        self._ended = False
        with self._logged:
            before = len(self._lines)
        self._process = subprocess.Popen(
            [*self._under, str(COMMAND), command, "--port", str(self.port), "--data", str(self.data)],
            env={**environment, **self._env},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=self._handed,
        )
        self._reading = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reading.start()
        return before

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            try:
                document = json.loads(line)
            except ValueError:
                document = {"event": "not JSON", "line": line}
            with self._logged:
                self._lines.append(document)
                self._logged.notify_all()
        with self._logged:
            self._ended = True
            self._logged.notify_all()

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9."""
        self._end(Signals.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and wait; the exit status."""
        return self._end(Signals.SIGTERM)

    def send(self, number: Signals) -> None:
        """Send a signal, and go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, seconds: float = 40.0) -> int:
        """Wait for the process to end; its exit status."""
        assert self._process is not None
        assert self._reading is not None
        assert self._process.stderr is not None
        status = self._process.wait(seconds)
        self._reading.join(seconds)  # a worker beside it has the same stderr, and ends after it
        self._process.stderr.close()
        self._process = None
        return status

    def _end(self, number: Signals) -> int:
        self.send(number)
        return self.wait()

    def ended(self, seconds: float = 20.0) -> int:
        """Its exit status, where it ends by itself, as it does when it refuses to start."""
        return self.wait(seconds)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        if self._process is None:
            return
        if MEASURED:  # what runs is written down at a process's end, and kill -9 leaves it no time for that
            self.send(Signals.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.wait(STOPS_WITHIN)
                return
        self.kill()

    # -- what it says and takes --------------------------------------------------------------------------

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every line that it logged so far, in all its lives."""
        with self._logged:
            return list(self._lines)

    def logged(self, event: str, *, after: int = 0, seconds: float = 30.0) -> dict[str, Any]:
        """Wait for a line of this event beyond the first `after` lines."""

        return self.until_logged(lambda line: line.get("event") == event, after=after, seconds=seconds)

    def until_logged(
        self, wanted: Callable[[dict[str, Any]], bool], *, after: int = 0, seconds: float = 30.0
    ) -> dict[str, Any]:
        """Wait for a line that is as wanted, beyond the first `after` lines."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self._lines[after:] if wanted(line)), None)

        with self._logged:
            self._logged.wait_for(lambda: self._ended or found() is not None, seconds)
            line = found()
        if line is None:
            raise AssertionError(f"the gateway did not log it, but {self._lines[after:]}")
        return line

    def memory(self) -> int:
        """Resident bytes now (proc(5), VmRSS)."""
        return self._memory("VmRSS")

    def peak_memory(self) -> int:
        """The most resident bytes in this life (proc(5), VmHWM)."""
        return self._memory("VmHWM")

    def _memory(self, field: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) << 10
        raise AssertionError(f"no {field}")

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def stored(self) -> int:
        """How many archives its store holds."""
        query = "SELECT count(*) FROM archives"
        if self.store_url is not None:
            [(count,)] = postgresql.query(self.store_url, query)
        else:
            with closing(sqlite3.connect(f"file:{self.data}/streamzip.db?mode=ro", uri=True)) as store:
                [(count,)] = store.execute(query)
        return int(count)

    @property
    def webhook_secret(self) -> str:
        """What it signs webhooks with, where the test did not say."""
        if self.store_url is not None:
            return _ON_POSTGRESQL["STREAMZIP_WEBHOOK_SECRET"]
        return (self.data / "webhook.secret").read_text().strip()

    def copy(self, hash: str) -> Path:
        """Where the finished copy of an archive lies."""
        return self.data / "spool" / hash[:2] / f"{hash}.zip"

    # -- the interface -----------------------------------------------------------------------------------

    def create(self, **body: Any) -> dict[str, Any]:
        """POST /api/archive/create; the answer's document."""
        response = self.client.post("/api/archive/create", json=body)
        assert response.status_code in (200, 201), response.text
        document: dict[str, Any] = response.json()
        return document

    def status(self, hash: str, query: str = "") -> dict[str, Any]:
        """GET /api/archive/status/{hash}"""
        response = self.client.get(f"/api/archive/status/{hash}{query}")
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def left_out(self, hash: str) -> list[dict[str, Any]]:
        """Every entry left out, over as many pages of the status as that takes."""
        found: list[dict[str, Any]] = []
        following: int | None = 0
        while following is not None:
            document = self.status(hash, f"?errors_from={following}")
            found += document["errors"]
            following = document.get("errors_next")
        return found

    def get(self, hash: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """GET /archive/get/{hash}.zip, whole."""
        return self.client.get(f"/archive/get/{hash}.zip", headers=headers)

    def download(self, hash: str) -> bytes:
        """The archive's bytes."""
        response = self.get(hash)
        assert response.status_code == 200, response.text
        return response.content

    def until(
        self,
        hash: str,
        reached: str | Callable[[dict[str, Any]], bool] = "completed",
        seconds: float = 40.0,
        poll: float = POLL,
    ) -> dict[str, Any]:
        """Poll the status until it is so, or fail; that status."""
        deadline = time.monotonic() + seconds
        while True:
            document = self.status(hash)
            if document["status"] == reached if isinstance(reached, str) else reached(document):
                return document
            if time.monotonic() > deadline:
                raise AssertionError(f"not reached, but {document}")
            time.sleep(poll)


class Worker(Gateway):
    """One `streamzip worker`: all of a gateway's but what asks it."""

    def start(self) -> None:
        """Start it, and return when it works."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
        self.logged("worker_begun", after=self._launch("worker", environment), seconds=STARTS_WITHIN)


def _port_of(url: str) -> int:
    return int(url.rpartition(":")[2]) if url.startswith("http") else 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def manifest_of(mapping: Mapping[str, str], **options: Any) -> dict[str, Any]:
    """A create's body in the full form, from names and URLs."""
    return {"entries": [{"name": name, "url": url} for name, url in mapping.items()], **options}
