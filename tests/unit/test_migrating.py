"""docs/migrating.md: each row is tried by a test that is there."""

import ast
import os
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.support.migrating import TRIED

ROOT = Path(__file__).parent.parent.parent


def rows() -> dict[str, list[str]]:
    """Return the first cells of the page's tables, by heading."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in (ROOT / "docs/migrating.md").read_text().splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| ") and line != "| before | now |":
            found.setdefault(heading, []).append(line.removeprefix("| ").partition(" | ")[0])
    return found


@cache
def named_in(file: str) -> frozenset[str]:
    """Return the names of the tests of a file in tests/."""
    module = ast.parse((ROOT / "tests" / file).read_text())
    return frozenset(node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_each_row_is_tried() -> None:
    """A row that is new, or says something else, needs its test; a row that is gone needs none."""
    assert rows() == {heading: list(tried) for heading, tried in TRIED.items()}


@pytest.mark.parametrize("heading", TRIED)
def test_what_tries_a_row_is_there(heading: str) -> None:
    """A test that was renamed or removed is found."""
    named = {test for tests in TRIED[heading].values() for test in tests}
    assert all(TRIED[heading].values())
    for test in named:
        file, _, name = test.partition("::")
        assert name in named_in(file), test


def test_one_command_sets_up_and_starts() -> None:
    """`make run` installs what the locks say, by their hashes, and serves from ./data."""
    command = ["make", "--dry-run", "--always-make", "run"]
    # The tests may be a make's own: what that tells of itself is not for this one.
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["scripts/install run", ".venv/bin/streamzip serve --data ./data "]
    assert "--require-hashes" in (ROOT / "scripts/install").read_text()
    for lock in ROOT.glob("requirements/*.lock"):
        packages = re.split(r"\n(?=\w)", re.sub(r"^ *#.*\n", "", lock.read_text(), flags=re.MULTILINE).strip())
        assert packages and all("--hash=sha256:" in each for each in packages), lock.name


def test_compose_is_nginx_and_the_gateway() -> None:
    """No broker, cache or database beside them, and the gateway is built of what is here."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services.keys() == {"nginx", "gateway"}
    assert "build" in services["gateway"]
