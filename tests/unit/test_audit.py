"""`make audit`: what is known of the locked packages, and never "nothing" where nothing was asked."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "audit"
CLEAN = {"name": "clean", "version": "1.0", "vulns": []}
HOLED = {"name": "holed", "version": "2.0", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["2.1"], "aliases": []}]}
UNKNOWN = {"name": "unknown", "skip_reason": "Dependency not found on PyPI"}


def audited(tmp_path: Path, packages: list[dict[str, Any]] | None) -> subprocess.CompletedProcess[str]:
    """Run the script with a tool that finds this; None: that finds out nothing."""
    tool = tmp_path / "pip-audit"
    (tmp_path / "found.json").write_text(json.dumps({"dependencies": packages, "fixes": []}))
    write = f'cp "{tmp_path}/found.json" "$8"' if packages is not None else "echo no way out; exit 1"
    tool.write_text(f'#!/bin/sh\n[ "$7" = --output ] || exit 9\n{write}\n')
    tool.chmod(0o755)
    return subprocess.run([SCRIPT], env=os.environ | {"PIP_AUDIT": str(tool)}, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("packages", "status", "says"),
    [
        ([CLEAN], 0, "1 packages, 0 known holes, no data of 0"),
        ([CLEAN, HOLED], 1, "holed 2.0: CVE-2026-1, mended in 2.1"),
        ([CLEAN, UNKNOWN], 3, "nothing is said of unknown"),
        ([HOLED, UNKNOWN], 1, "nothing is said of unknown"),
        ([], 3, "0 packages"),
        (None, 3, "no data: the tool told nothing"),
    ],
)
def test_audit_tells_holes_from_ignorance(
    tmp_path: Path, packages: list[dict[str, Any]] | None, status: int, says: str
) -> None:
    """The tool itself ends with 0 where its service knew none of the packages."""
    done = audited(tmp_path, packages)
    assert done.returncode == status
    assert says in done.stdout + done.stderr
