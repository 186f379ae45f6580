"""The manual page and the shells' completion, made of the commands as they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamzip.cli.manual import manual
from tests.support.gateway import COMMAND

ROOT = Path(__file__).parent.parent.parent.parent


def test_manual_page_is_current() -> None:
    """docs/streamzip.1, which the wheel installs, is what the commands say of themselves now."""
    assert (ROOT / "docs" / "streamzip.1").read_text() == manual(), "make manual"


def test_manual_page_has_every_command() -> None:
    """Each command stands in it, and no line begins as a macro that troff does not know."""
    page = manual()
    for name in ("zip", "serve", "get", "keys new"):
        assert f".SS streamzip {name} [OPTIONS]" in page
    macros = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert macros == {".TH", ".SH", ".SS", ".TP", ".B", ".I"}


@pytest.mark.needs("bash")
def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    """The script that is installed for bash, sourced there, completes as one types."""
    environment = os.environ | {"PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"}
    asked = environment | {"_STREAMZIP_COMPLETE": "source_bash"}
    script = tmp_path / "completion.bash"
    script.write_bytes(subprocess.run([str(COMMAND)], env=asked, capture_output=True, check=True, timeout=60).stdout)
    for words, expected in ((("streamzip", "st"), "status"), (("streamzip", "zip", "--dr"), "--dry-run")):
        typed = (
            f"source {script}; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
            "$(complete -p streamzip | sed 's/.*-F \\([^ ]*\\).*/\\1/') streamzip; echo ${COMPREPLY[@]}"
        )
        done = subprocess.run(["bash", "-c", typed], env=environment, capture_output=True, text=True, timeout=60)
        assert expected in done.stdout.split(), done.stderr


def test_package_runs_as_a_module() -> None:
    """`python -m streamzip` is the command."""
    done = subprocess.run([sys.executable, "-m", "streamzip", "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout[:10]) == (0, "streamzip ")
