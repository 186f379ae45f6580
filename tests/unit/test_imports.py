"""What is loaded before anything asks for it."""

import json
import subprocess
import sys

import pytest

MAIN = "import sys\nfrom streamzip.cli import main\nsys.argv[1:] = {}\ntry: main()\nexcept SystemExit: pass"
HELP = MAIN.format(["--help"])
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
TABLES = ("tarfile", "idna", "csv", "typing_extensions", "streamzip.listed_buckets")
COMMANDS = ("streamzip.cli.remote", "streamzip.cli.admin", "streamzip.cli.serving", "importlib.metadata")
ZIP = MAIN.format(["zip", "--quiet", "--dry-run", "README.md"])
STATUS = MAIN.format(["status", "--server", "http://127.0.0.1:1", "0" * 32])


@pytest.mark.parametrize(
    ("what", "unwanted"),
    [
        pytest.param(HELP, (*SERVING, *SETTINGS, "asyncio", "rich", "selectolax", *OTHERS), id="help"),
        pytest.param(
            ZIP, (*SERVING, *SETTINGS, "rich", "selectolax", *DECODERS, "streamzip.web", *TABLES, *COMMANDS), id="zip"
        ),
        pytest.param(STATUS, (*SETTINGS, "rich", "streamzip.library", "streamzip.cli.zipping"), id="status"),
        # `uvicorn` brings click along.
        pytest.param(SERVE, ("rich", "httpx", "selectolax", *DECODERS, *FOR_SOME, *TRACES), id="serve"),
    ],
)
def test_what_nobody_asked_for_is_not_loaded(what: str, unwanted: tuple[str, ...]) -> None:
    """A help text took a second on a small machine, and an idle worker held the parser of pages that it never reads."""
    program = f"{what}\nimport json, sys\nsys.stderr.write(chr(10) + json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert set(unwanted) & set(json.loads(done.stderr.splitlines()[-1])) == set()


def test_httpx_keeps_its_command_line_for_others() -> None:
    """The gateway is a library too: what it did not load, the program that it is part of still may."""
    program = "from streamzip.httpx_ import httpx; import httpx._main; print(httpx._main.main)"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert "main" in done.stdout
