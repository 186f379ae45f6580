"""`make demo` and `make cluster` show what they say; they check each of their steps themselves."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
DEMO, CLUSTER = EXAMPLES / "demo.py", EXAMPLES / "cluster.py"


@pytest.mark.slow
def test_demo_ends_well_and_names_its_failure() -> None:
    """The demo takes less than a minute, all its checks hold, and it ends with the problem of a broken origin."""
    ended = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert '"code": "origin_failed"' in ended.stdout


@pytest.mark.slow
@pytest.mark.needs("postgresql", "nginx", "seaweedfs")
def test_cluster_survives_the_death_of_a_gateway() -> None:
    """It takes less than two minutes, and all its checks hold, of the bucket too."""
    ended = subprocess.run([sys.executable, CLUSTER], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "is dead" in ended.stdout
    assert "the bucket alone has it" in ended.stdout


@pytest.mark.slow
@pytest.mark.needs("postgresql", "nginx", "seaweedfs")
def test_cluster_leaves_nothing_behind_when_it_is_interrupted() -> None:
    """Ctrl-C ends every server, and takes the folder away."""
    with tempfile.TemporaryDirectory(prefix="streamzip-test-") as name:  # pytest's own are closed to PostgreSQL's user
        Path(name).chmod(0o755)
        environment = os.environ | {"TMPDIR": name}
        with subprocess.Popen([sys.executable, CLUSTER], stdout=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("nginx on")
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        assert list(Path(name).iterdir()) == []
        commands = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                commands.append(path.read_bytes())
        assert not any(name.encode() in command for command in commands)
