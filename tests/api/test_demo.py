"""`make demo` shows what it says; it checks each of its steps itself."""

import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parent.parent.parent / "examples" / "demo.py"


@pytest.mark.slow
def test_demo_ends_well_and_names_its_failure() -> None:
    """The demo takes less than a minute, all its checks hold, and it ends with the problem of a broken origin."""
    ended = subprocess.run([sys.executable, DEMO], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert '"code": "origin_failed"' in ended.stdout
