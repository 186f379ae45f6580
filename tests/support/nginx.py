"""A real nginx: as an origin of files, or in front of the gateway with the configuration that is shipped.

Its listening socket is made here and handed down by the NGINX variable (the way of its binary upgrades): nobody else
can take the port in between, and who connects before it is ready waits in the socket's queue.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

SCRIPT = Path(__file__).parents[2] / "scripts" / "nginx-conf"

ORIGIN = """
worker_processes 1;
pid {run}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    log_format plain '$status $body_bytes_sent $uri';
    access_log {run}/access.log plain;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        sendfile on;
    }}
}}
"""


class Nginx:
    """One nginx on a free port of 127.0.0.1, its files in `run`."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def configuration(self) -> str:
        """What it is started with."""
        raise NotImplementedError

    @property
    def authority(self) -> str:
        """Its `host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        """Its scheme, host and port."""
        return f"http://{self.authority}"

    def __enter__(self) -> Self:
        self.run.mkdir(parents=True, exist_ok=True)
        conf = self.run / "nginx.conf"
        conf.write_text(self.configuration())
        # As root, nginx would give its workers another user, who may not read pytest's folders.
        user = " user root;" if os.getuid() == 0 else ""
        command = ["nginx", "-c", str(conf), "-p", str(self.run), "-g", f"daemon off;{user}", "-e", "stderr"]
        # The socket answers to nobody if nginx refuses to start: that would be seen only as silence.
        tried = subprocess.run([*command, "-t", "-q"], capture_output=True, text=True)
        assert tried.returncode == 0, tried.stderr
        with (self.run / "error.log").open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                env=os.environ | {"NGINX": f"{self._socket.fileno()};"},
                pass_fds=[self._socket.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)
        self._socket.close()


class NginxOrigin(Nginx):
    """Serves the files in `root`."""

    def __init__(self, run: Path, root: Path) -> None:
        super().__init__(run)
        self._root = root

    def configuration(self) -> str:
        """Static files, with nginx's own strong ETag and ranges."""
        return ORIGIN.format(run=self.run, root=self._root, port=self.port)

    def url(self, path: str) -> str:
        """The URL of a file beneath the root."""
        return f"{self.base}{path}"

    def requests(self) -> int:
        """How many requests it has logged."""
        return len((self.run / "access.log").read_bytes().splitlines())


class NginxPrefix(Nginx):
    """Hands the paths below a prefix to another server, without the prefix."""

    def __init__(self, run: Path, prefix: str, server: str) -> None:
        super().__init__(run)
        self._prefix = prefix
        self._server = server

    def configuration(self) -> str:
        """One `location`, as a program's documentation would show it."""
        passed = f"location {self._prefix} {{ proxy_pass http://{self._server}/; }}"
        return ORIGIN.format(run=self.run, root=self.run, port=self.port).replace("sendfile on;", passed)


class NginxBalancer(Nginx):
    """Stands in front of several gateways, as deploy/nginx-cluster.conf has it."""

    def __init__(self, run: Path, *, gateways: Sequence[str]) -> None:
        super().__init__(run)
        self._gateways = gateways

    def configuration(self) -> str:
        """The shipped file, for these places and ports."""
        return _shipped(self, {"--gateways": ",".join(self._gateways)})


class NginxFront(Nginx):
    """Stands in front of a gateway, as deploy/nginx.conf has it."""

    def __init__(self, run: Path, *, gateway: str, spool: Path) -> None:
        super().__init__(run)
        self._gateway = gateway
        self._spool = spool

    def configuration(self) -> str:
        """The shipped file, for these places and ports."""
        return _shipped(self, {"--gateway": self._gateway, "--spool": str(self._spool)})


def _shipped(nginx: Nginx, places: dict[str, str]) -> str:
    places |= {"--listen": nginx.authority, "--run": str(nginx.run), "--access-log": f"{nginx.run}/access.log"}
    arguments = [text for pair in places.items() for text in pair]
    conf = subprocess.run([sys.executable, SCRIPT, *arguments], check=True, capture_output=True, text=True).stdout
    return re.sub("worker_processes auto;", "worker_processes 1;", conf)
