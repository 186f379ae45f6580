"""The wheel as it is installed: built, put into an empty environment, and used there."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.examples import check_album, examples
from tests.support.origin import Origin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parent.parent.parent
PYRIGHT = ROOT / ".venv" / "pyright" / "node_modules" / ".bin" / "pyright"
VERSIONS = ["3.11", "3.12", "3.13", "3.14"]
USE = """
import asyncio, io, zipfile
from streamzip import Zip

async def main():
    async with Zip([("a.txt", b"hello")]) as archive:
        content = b"".join([chunk async for chunk in archive.stream()])
    assert zipfile.ZipFile(io.BytesIO(content)).read("a.txt") == b"hello"

asyncio.run(main())
"""


def python_of(version: str) -> str:
    """Return an interpreter of the version, from the path or of pyenv; skips the test where none is at hand."""
    found = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))]
    for each in filter(None, found):
        if subprocess.run([each, "-c", "import venv"], capture_output=True, timeout=60, check=False).returncode == 0:
            return each
    pytest.skip(f"no Python {version} here")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, timeout=300)
    (built,) = folder.glob("*.whl")
    return built


def installed(wheel: Path, folder: Path, python: str, locks: Sequence[str] = ("run",)) -> tuple[Path, dict[str, str]]:
    """Install the wheel with what the locks say and nothing else; return where, and the variables of a shell there."""
    home = folder / "venv"
    subprocess.run([python, "-m", "venv", str(home)], check=True, timeout=120)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = [part for lock in locks for part in ("-r", str(ROOT / "requirements" / f"{lock}.lock"))]
    subprocess.run([*pip, "--require-hashes", *locked], check=True, timeout=600)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True, timeout=120)
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return home, {"PATH": path, "HOME": str(folder), "VIRTUAL_ENV": str(home)}


def test_wheel_holds_what_is_promised(wheel: Path) -> None:
    """The marker of its types, the pages' files, the manual page, the licence; no test and no secret."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("/METADATA"))).decode()
    assert "streamzip/py.typed" in names
    assert any(name.endswith("share/man/man1/streamzip.1") for name in names)
    assert any(name.startswith("streamzip/web/templates/") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith("tests/") or "secret" in name]
    assert "Classifier: Typing :: Typed" in metadata


@pytest.mark.parametrize("version", VERSIONS)
def test_wheel_runs_in_an_empty_environment(wheel: Path, tmp_path: Path, version: str) -> None:
    """With its own requirements and nothing else: the commands, the library, and types that a checker finds."""
    home, environment = installed(wheel, tmp_path, python_of(version))

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("streamzip", "--version").startswith("streamzip ")
    assert run("python", "-m", "streamzip", "--help").startswith("Usage: ")
    run("python", "-c", USE)
    (tmp_path / "note.txt").write_text("hello")
    assert run("streamzip", "zip", "note.txt", "-o", "out.zip") == "out.zip\n"
    assert "openapi" in run("streamzip", "openapi")
    assert (home / "share" / "man" / "man1" / "streamzip.1").exists()


def test_examples_run_from_the_wheel(wheel: Path, tmp_path: Path, origin: Origin) -> None:
    """FastAPI, Starlette, Django and Flask serve a zip with the installed package, without the checkout beside it."""
    home, _ = installed(wheel, tmp_path, sys.executable, ("run", "build", "sbom", "dev"))
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    with examples(origin, tmp_path / "data", python=str(home / "bin" / "python"), folder=tmp_path) as bases:
        for framework, base in bases.items():
            check_album(base, framework)


@pytest.mark.skipif(not PYRIGHT.exists(), reason="scripts/test-tools --slow brings pyright")
def test_types_of_the_library_are_complete(wheel: Path, tmp_path: Path) -> None:
    """pyright knows the type of all that `streamzip` and `streamzip.client` promise, as it is installed."""
    _, environment = installed(wheel, tmp_path, sys.executable)
    command = [str(PYRIGHT), "--verifytypes", "streamzip", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=300, check=False)
    symbols = json.loads(done.stdout)["typeCompleteness"]["symbols"]
    promised = [each for each in symbols if each["name"].startswith(("streamzip.client.", "streamzip.library."))]
    assert len(promised) > 200
    assert not [each["name"] for each in promised if not each["isTypeKnown"] or each.get("isTypeAmbiguous")]
