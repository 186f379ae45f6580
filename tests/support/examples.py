"""The programs of examples/, each under its own server, and what each must answer."""

import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx

from tests.support.origin import File, Origin, Pattern

ROOT = Path(__file__).parent.parent.parent
LARGE = 3_000_000
UVICORN = ["uvicorn", "--loop", "asyncio", "--log-level", "warning", "--port"]
SERVERS = {
    "fastapi": [*UVICORN, "{port}", "examples.fastapi_app:app"],
    "starlette": [*UVICORN, "{port}", "examples.starlette_app:app"],
    "django": [*UVICORN, "{port}", "--lifespan", "off", "examples.django_app:app"],
    "flask": ["flask", "--app", "examples.flask_app", "run", "--port", "{port}"],
}


@contextmanager
def examples(
    origin: Origin, data: Path, *, python: str = sys.executable, folder: Path = ROOT
) -> Iterator[dict[str, str]]:
    """Give the base of each example by its name; all run at once, by `python`, in `folder`, which has examples/."""
    origin.serve("/example/large", File(Pattern(LARGE)))
    origin.serve("/example/small", File(b"small"))
    files = f"{origin.url('/example/large')} {origin.url('/example/small')}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
    environment |= {"FILES": files, "ALLOW_HOSTS": origin.authority, "DATA": str(data)}
    bases, running = {}, []
    try:
        for name, command in SERVERS.items():
            port = free_port()
            module, *arguments = [part.format(port=port) for part in command]
            started = [python, "-m", module, *arguments]
            running.append(subprocess.Popen(started, cwd=folder, env=environment, stderr=subprocess.DEVNULL))
            bases[name] = f"http://127.0.0.1:{port}"
        for base in bases.values():
            wait_for(base)
        yield bases
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


def wait_for(base: str) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + 40
    while True:
        try:
            httpx.get(f"{base}/none", trust_env=False)
            return
        except httpx.TransportError:
            assert time.monotonic() < until, f"{base} does not answer"
            time.sleep(0.05)


def check_album(base: str, framework: str) -> None:
    """Ask for the example's archive as download managers do: length, ETag, Range, If-Range, conditions and HEAD."""
    url = f"{base}/album.zip"
    with httpx.Client(trust_env=False, timeout=30) as client:
        whole = client.get(url)
        assert whole.status_code == 200
        assert int(whole.headers["content-length"]) == len(whole.content)
        with zipfile.ZipFile(BytesIO(whole.content)) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == ["large", "small", "note.txt", f"{framework}_app.py"]
            assert archive.getinfo("large").file_size == LARGE
        etag = whole.headers["etag"]
        assert etag.startswith('"')

        def asked(**fields: str) -> httpx.Response:
            return client.get(url, headers={name.replace("_", "-"): value for name, value in fields.items()})

        part = asked(range="bytes=100-1000", if_range=etag)
        assert (part.status_code, part.content) == (206, whole.content[100:1001])
        assert part.headers["content-range"] == f"bytes 100-1000/{len(whole.content)}"
        last = asked(range="bytes=-30000")
        assert (last.status_code, last.content) == (206, whole.content[-30000:])
        other = asked(range="bytes=100-1000", if_range='"another"')
        assert (other.status_code, other.content) == (200, whole.content)
        assert asked(if_none_match=etag).status_code == 304
        assert asked(if_match='"another"').status_code == 412
        beyond = asked(range=f"bytes={len(whole.content)}-")
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")
        head = client.head(url)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content)))
