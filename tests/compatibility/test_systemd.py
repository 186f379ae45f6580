"""The units in deploy/systemd: systemd takes them, they bound the service, and what they set are settings."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from streamzip.config import Settings, variable, variables

pytestmark = pytest.mark.needs("systemd-analyze")
UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
MOST_EXPOSED = 15  # tenths, of 100: systemd calls below 20 "OK"; the network is what is left


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, of a program that this machine has."""
    shutil.copytree(UNITS, tmp_path / "units")
    service = tmp_path / "units" / "streamzip.service"
    service.write_text(service.read_text().replace("/opt/streamzip/bin/streamzip", "/bin/true"))
    return tmp_path / "units"


def analyze(*arguments: str | Path) -> str:
    ran = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_units_are_valid_and_bounded(units: Path) -> None:
    """No line that systemd does not know, and little of the machine within the service's reach."""
    assert analyze("verify", units / "streamzip.service") == ""
    service = units / "streamzip.service"
    analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", service)
    service.write_text(service.read_text().replace("NoNewPrivileges=", "NoNewPrivilege="))
    assert "NoNewPrivilege" in analyze("verify", service)


def test_service_sets_settings_and_is_given_time_to_end() -> None:
    """Downloads end by themselves before systemd ends them."""
    text = (UNITS / "streamzip.service").read_text()
    named = dict(re.findall(r"^#?Environment=(STREAMZIP_\w+)=(.*)$", text, re.MULTILINE))
    assert named.keys() <= variables()
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(seconds) > float(named[variable("stop_within")])
    socket = (UNITS / "streamzip.socket").read_text()
    assert f"ListenStream={Settings.model_fields['host'].default}:{Settings.model_fields['port'].default}" in socket
