"""The process that reads pages has no files, no network and no other processes, from the page on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamzip.webpages import confinement

PROGRAM = """
import json, os, resource, socket, sys
from streamzip.webpages.confinement import confine

resource.setrlimit = {setrlimit}
held = open(os.devnull)
confine()
tried = {{}}
for name, work in {{
    "read": lambda: os.open({secret!r}, os.O_RDONLY),
    "write": lambda: os.open({secret!r} + ".new", os.O_WRONLY | os.O_CREAT),
    "stat": lambda: os.stat({secret!r}),
    "list": lambda: os.listdir("/"),
    "remove": lambda: os.unlink({secret!r}),
    "connect": lambda: socket.socket().connect(("127.0.0.1", 9)),
    "local": lambda: socket.socket(socket.AF_UNIX),
    "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "start": os.fork,
    "become": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "duplicate": lambda: os.dup(0),
}}.items():
    try:
        tried[name] = repr(work())
    except OSError as error:
        tried[name] = error.errno
numbers = bytearray(50 << 20)
sys.stdout.write(json.dumps(tried))
sys.stdout.flush()
os._exit(0)
"""


def tried(tmp_path: Path, setrlimit: str = "resource.setrlimit") -> dict[str, int | str]:
    """What a confined process gets for what it tries."""
    secret = tmp_path / "secret"
    secret.write_text("mine")
    program = PROGRAM.format(secret=str(secret), setrlimit=setrlimit)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert secret.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    found: dict[str, int | str] = json.loads(done.stdout)
    return found


def test_confined_process_opens_connects_and_starts_nothing(tmp_path: Path) -> None:
    """Neither by the limits nor by the filter; memory and its pipes are all that it has."""
    found = tried(tmp_path)
    for name in ("read", "write", "list", "connect", "local", "datagram", "duplicate"):
        assert isinstance(found[name], int), (name, found[name])


@pytest.mark.skipif(
    os.uname().machine not in confinement._CALLS or "Seccomp_filters" not in Path("/proc/self/status").read_text(),
    reason="this kernel has no filters that are known here",
)
def test_filter_refuses_what_limits_do_not(tmp_path: Path) -> None:
    """EPERM to each, also where a limit can be lifted, as by root."""
    assert set(tried(tmp_path, setrlimit="lambda *_: None").values()) == {1}
