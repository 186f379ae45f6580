"""What is loaded before anything asks for it."""

import json
import subprocess
import sys

import pytest

HELP = "from streamzip.cli import app; app(['--help'], standalone_mode=False)"
SERVE = "import streamzip.serving"
SERVING = (
    "streamzip.serving",
    "streamzip.app",
    "starlette",
    "sqlalchemy",
    "httpx",
    "cryptography",
    "uvicorn",
    "jinja2",
)
SETTINGS = ("streamzip.config", "pydantic", "pydantic_settings")
OTHERS = ("isal", "streamzip.client", "streamzip.library")
FOR_SOME = ("psycopg", "procrastinate", "obstore", "awscrt", "cryptography", "prometheus_client", "wsgiref", "segno")
DECODERS = ("brotli", "compression.zstd", "backports.zstd")
TRACES = ("opentelemetry", "google.protobuf")
ZIP = "import streamzip.cli, streamzip.library.archive, streamzip.library.saving"


@pytest.mark.parametrize(
    ("what", "unwanted"),
    [
        pytest.param(HELP, (*SERVING, *SETTINGS, "asyncio", "rich", "selectolax", *OTHERS), id="help"),
        # typer brings pydantic along, as soon as a command has run.
        pytest.param(ZIP, (*SERVING, *SETTINGS, "rich", "selectolax", *DECODERS, "streamzip.web"), id="zip"),
        # `uvicorn` brings click along.
        pytest.param(SERVE, ("rich", "httpx", "selectolax", *DECODERS, *FOR_SOME, *TRACES), id="serve"),
    ],
)
def test_what_nobody_asked_for_is_not_loaded(what: str, unwanted: tuple[str, ...]) -> None:
    """A help text took a second on a small machine, and an idle worker held the parser of pages that it never reads."""
    program = f"{what}\nimport json, sys\nsys.stderr.write(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert set(unwanted) & set(json.loads(done.stderr)) == set()


def test_httpx_keeps_its_command_line_for_others() -> None:
    """The gateway is a library too: what it did not load, the program that it is part of still may."""
    program = "from streamzip.httpx_ import httpx; import httpx._main; print(httpx._main.main)"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert "main" in done.stdout
