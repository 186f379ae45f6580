"""The library within other frameworks: the files of examples/, under real servers."""

import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest

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


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def sites(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Every example under its server: its base by its name. All start at once."""
    origin.serve("/example/large", File(Pattern(LARGE)))
    origin.serve("/example/small", File(b"small"))
    folder = tmp_path_factory.mktemp("examples")
    files = f"{origin.url('/example/large')} {origin.url('/example/small')}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
    environment |= {"FILES": files, "ALLOW_HOSTS": origin.authority, "DATA": str(folder)}
    bases, running = {}, []
    try:
        for name, command in SERVERS.items():
            port = free_port()
            module, *arguments = [part.format(port=port) for part in command]
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", module, *arguments], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
                )
            )
            bases[name] = f"http://127.0.0.1:{port}"
        for base in bases.values():
            wait_for(base)
        yield bases
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def wait_for(base: str) -> None:
    until = time.monotonic() + 40
    while True:
        try:
            httpx.get(f"{base}/none", trust_env=False)
            return
        except httpx.TransportError:
            assert time.monotonic() < until, f"{base} does not answer"
            time.sleep(0.05)


@pytest.mark.parametrize("framework", SERVERS)
def test_an_example_answers_as_a_server_of_files_does(sites: dict[str, str], framework: str) -> None:
    """Length, ETag, Range, If-Range, conditions and HEAD, under each framework's own server."""
    url = f"{sites[framework]}/album.zip"
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


def test_a_mounted_gateway_gives_links_that_lead_to_it(sites: dict[str, str], origin: Origin) -> None:
    """Links hold the prefix that the gateway is mounted at; downloads, ranges, pages and status work below it."""
    base = f"{sites['fastapi']}/zip"
    with httpx.Client(trust_env=False, timeout=30) as client:
        created = client.post(f"{base}/api/archive/create", json={"urls": [origin.url("/example/large")]}).json()
        assert created["url"].startswith(f"{base}/archive/get/")
        whole = client.get(created["url"])
        assert whole.status_code == 200
        part = client.get(created["url"], headers={"Range": "bytes=7-99"})
        assert (part.status_code, part.content) == (206, whole.content[7:100])
        assert client.get(created["status_url"]).json()["archive_hash"] == created["archive_hash"]
        page = client.get(f"{base}/a/{created['archive_hash']}", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
