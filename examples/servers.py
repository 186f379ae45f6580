"""The servers that `make cluster` starts beside the gateways: PostgreSQL, SeaweedFS, and nginx in front.

Each on ports of 127.0.0.1, in a folder that is removed, and ended with its context.
"""

import contextlib
import http.client
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from demo import ask

ROOT = Path(__file__).parent.parent
STARTS_WITHIN = 40.0  # seconds


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
def running(
    command: list[str], log: Path, *, end: signal.Signals = signal.SIGINT, **options: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server for as long as the context lasts; Ctrl-C is for this program, not for it."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.send_signal(end)
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
    # At once, without a last checkpoint, which a busy disk may hold up for longer than `running` waits.
    with running(command, folder / "postgresql.log", end=signal.SIGQUIT, **as_user) as process:
        until(lambda: _answers(url), process, folder / "postgresql.log")
        yield url


def _answers(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2).close()
        return True
    return False


@contextlib.contextmanager
def bucket(folder: Path) -> Iterator[dict[str, str]]:
    """A SeaweedFS of its own; the variables by which gateways find a bucket in it."""
    data, key = folder / "seaweedfs", {"AWS_ACCESS_KEY_ID": "cluster", "AWS_SECRET_ACCESS_KEY": secrets.token_hex(16)}
    data.mkdir()
    ports = {part: (free_port(), free_port()) for part in ("master", "volume", "filer", "s3")}
    options = {"dir": data, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "volume.max": 100, "master.telemetry": "false"}
    options |= {"s3.port.iceberg": 0, "s3.port.lance": 0, "master.volumeSizeLimitMB": 256}
    options |= {f"{part}.localSocket": folder / f"{part}.sock" for part in ("filer", "s3")}
    for part, (port, grpc) in ports.items():
        options |= {f"{part}.port": port, f"{part}.port.grpc": grpc}
    named = [f"-{name}={value}" for name, value in options.items()]
    command = [
        program("weed", str(Path(sys.executable).parent)),
        "-logtostderr=true",
        "server",
        "-filer",
        "-s3",
        *named,
    ]
    address = f"127.0.0.1:{ports['s3'][0]}"
    try:
        # It takes 19 seconds to end when asked to, and what it has is thrown away.
        with running(command, folder / "seaweedfs.log", end=signal.SIGKILL, env=os.environ | key) as process:
            until(lambda: ready(address, "/healthz"), process, folder / "seaweedfs.log")
            make = [
                command[0],
                "shell",
                *(f"-{part}=127.0.0.1:{ports[part][0]}.{ports[part][1]}" for part in ("master", "filer")),
            ]
            own = os.environ | {"TMPDIR": str(data)}  # it leaves its logs with everybody's temporary files
            subprocess.run(make, input=b"s3.bucket.create -name cluster\n", env=own, check=True, capture_output=True)
            shared = {"STREAMZIP_SHARED_URL": "s3://cluster/copies", "AWS_REGION": "us-east-1"}
            yield key | shared | {"AWS_ENDPOINT_URL": f"http://{address}"}
    finally:
        for part, (_, grpc) in ports.items():
            Path(f"/tmp/seaweedfs-{part}-grpc-{grpc}.sock").unlink(missing_ok=True)


@contextlib.contextmanager
def nginx(folder: Path, front: str, gateways: list[str]) -> Iterator[None]:
    """The nginx that is shipped for several gateways, in front of these (host:port each)."""
    run = folder / "nginx"
    run.mkdir()
    places = ["--listen", front, "--gateways", ",".join(gateways)]
    places += ["--run", str(run), "--access-log", str(run / "access.log")]
    made = subprocess.run([sys.executable, ROOT / "scripts" / "nginx-conf", *places], check=True, capture_output=True)
    conf = run / "nginx.conf"
    conf.write_bytes(made.stdout)
    user = " user root;" if os.geteuid() == 0 else ""
    command = [program("nginx"), "-c", str(conf), "-p", str(run), "-e", "stderr", "-g", f"daemon off;{user}"]
    with running(command, folder / "nginx.log") as process:
        until(lambda: ready(front), process, folder / "nginx.log")
        yield


def ready(address: str, path: str = "/readyz") -> bool:
    """Return whether a server answers there, and that it is ready."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return ask(address, "GET", path).status == 200
    return False


def until(reached: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until it is so; end the program with the server's log where it takes too long, or the server is dead."""
    deadline = time.monotonic() + STARTS_WITHIN
    while not reached():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"it did not start:\n{log.read_text()}")
        time.sleep(0.05)
