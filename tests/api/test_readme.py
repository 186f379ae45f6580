"""README's commands and programs, as they stand there, against a running gateway and an origin of files here."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin

ROOT = Path(__file__).parent.parent.parent
PUBLIC = re.compile(r"https://www\.(?:rfc-editor|python)\.org(/[\w./-]+)")


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def here(snippet: str, gateway: Gateway, origin: Origin) -> str:
    """Return the snippet with this gateway, and this origin's files, in the place of public ones."""
    for path in PUBLIC.findall(snippet):
        origin.serve(f"/readme{path}", File(path.encode()))
    return PUBLIC.sub(lambda found: origin.url(f"/readme{found[1]}"), snippet).replace(
        "http://127.0.0.1:8000", gateway.base
    )


def shell(script: str, folder: Path, gateway: Gateway) -> str:
    environment = os.environ | {"STREAMZIP_SERVER": gateway.base}
    script = script.replace(".venv/bin/streamzip", str(COMMAND)).replace(
        "streamzip zip", "streamzip zip --allow-private"
    )
    done = subprocess.run(
        ["bash", "-euc", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.needs("curl")
def test_commands_of_the_readme_work(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """In the order in which a newcomer types them: the command, curl alone, and a zip without a server."""
    (tmp_path / "README.md").write_text("a file of the folder")
    by_command, by_curl, without = (here(each, gateway, origin) for each in snippets("sh")[1:])
    created, download = by_command.strip().splitlines()
    link = shell(created, tmp_path, gateway).strip()
    got = shell(download.replace("THE-LINK-THAT-IT-PRINTED", link), tmp_path, gateway).strip()
    assert '"completed"' in shell(by_curl, tmp_path, gateway)
    assert shell(without, tmp_path, gateway) == "here.zip\n"
    names = {name: zipfile.ZipFile(tmp_path / name).namelist() for name in (got, "curl.zip", "here.zip")}
    urls = ["python-logo.png", "rfc9110.pdf"]
    assert names == {got: urls, "curl.zip": urls, "here.zip": ["rfc9110.pdf", "README.md"]}


def test_program_of_the_readme_runs(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """The client's first lines."""
    (program,) = snippets("python")
    subprocess.run([sys.executable, "-c", here(program, gateway, origin)], cwd=tmp_path, check=True, timeout=60)
    assert zipfile.ZipFile(tmp_path / "client.zip").namelist() == ["rfc9110.pdf"]
