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


# Each types a line in its shell, with the script sourced there, asks for its completion, and prints what came of it.
BASH = r"""
source "$1"; read -ra COMP_WORDS <<< "$2"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
$(complete -p streamzip | sed 's/.*-F \([^ ]*\).*/\1/') streamzip; printf '%s\n' "${COMPREPLY[@]}"
"""
FISH = 'source $argv[1]; complete --do-complete="$argv[2]"'
# zsh completes only what is typed into its editor, which zpty gives a terminal; ^X then shows the line as it stands.
ZSH = r"""
zmodload zsh/zpty; zpty typed zsh -f -i
zpty -w typed "unsetopt zle_bracketed_paste; autoload -U compinit && compinit -u -D; source $1"
zpty -w typed 'shown() { print -r -- "<<$BUFFER>>" }; zle -N shown; bindkey "^X" shown; print -r -- rea""dy'
zpty -r -m typed said '*ready*'
zpty -w -n typed "$2"$'\t\x18'
zpty -r -m typed said '*<<*>>*'; said=${said##*<<}; print -r -- ${said%%>>*}; zpty -d typed
"""
SHELLS = {
    "bash": ["bash", "--norc", "-c", BASH, "bash"],
    "fish": ["fish", "--no-config", "-c", FISH],
    "zsh": ["zsh", "-f", "-c", ZSH, "zsh"],
}


@pytest.mark.parametrize("shell", [pytest.param(name, marks=pytest.mark.needs(name)) for name in SHELLS])
def test_shells_complete_as_one_types(shell: str, tmp_path: Path) -> None:
    """The script that is installed for each shell, sourced there, knows a command's options."""
    environment = os.environ | {"PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}
    asked = environment | {"_STREAMZIP_COMPLETE": f"source_{shell}"}
    script = tmp_path / "completion"
    script.write_bytes(subprocess.run([str(COMMAND)], env=asked, capture_output=True, check=True, timeout=60).stdout)
    command = [*SHELLS[shell], str(script), "streamzip zip --dr"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "--dry-run" in done.stdout.split(), (done.stdout, done.stderr)


def test_package_runs_as_a_module() -> None:
    """`python -m streamzip` is the command."""
    done = subprocess.run([sys.executable, "-m", "streamzip", "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout[:10]) == (0, "streamzip ")
