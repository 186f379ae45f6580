"""A gateway whose store is on PostgreSQL: what it needs at its start, and what it does while the store is away."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert

from streamzip.store.migrations import STEPS, versions
from tests.support import postgresql
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin

KEYS = {"secret_keys": f"k1:{'5e' * 32}", "public_url": "https://zip.example"}
PASSWORD = "hunter2"


def run(*command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `streamzip` with just these settings, to its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
    environment |= {f"STREAMZIP_{name.upper()}": value for name, value in settings.items()}
    return subprocess.run([str(COMMAND), *command], env=environment, capture_output=True, text=True, timeout=40)


def refusal(data: Path, **settings: str) -> str:
    """The one sentence with which a gateway refuses to start."""
    ended = run("serve", "--port", "0", "--data", str(data), **settings)
    sentences = [line for line in ended.stderr.splitlines() if line.startswith("streamzip: ")]
    assert ended.returncode == 1, ended.stderr
    assert len(sentences) == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert PASSWORD not in ended.stderr
    return sentences[0].removeprefix("streamzip: ")


@pytest.fixture
def url() -> str:
    """A new schema of PostgreSQL."""
    return postgresql.shared().fresh_url()


def tables(url: str) -> int:
    """How many tables its schema has."""
    [(count,)] = postgresql.query(url, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")
    return int(count)


def test_embedded_gateway_loads_nothing_of_postgresql() -> None:
    """Without the setting its driver is not imported, nor SQLAlchemy's part for it."""
    code = "import asyncio, pathlib, sys, tempfile, streamzip.app; from streamzip.store.repository import Repository\n"
    code += "path = pathlib.Path(tempfile.mkdtemp()) / 'db'\n"
    code += "async def main(): await (await Repository.open(path)).close()\n"
    code += (
        "asyncio.run(main()); print([n for n in sys.modules if n.startswith(('psycopg', 'sqlalchemy.dialects.pos'))])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=40, check=True)
    assert found.stdout.strip() == "[]"


def test_start_names_the_package_when_the_driver_is_missing(tmp_path: Path) -> None:
    """It is an extra: who set the URL and has not installed it is told how."""
    code = (
        "import sys; sys.modules['psycopg'] = None; from streamzip.cli import main; sys.argv[1:] = ['migrate']; main()"
    )
    environment = os.environ | {"STREAMZIP_STORE_URL": "postgresql://127.0.0.1/x"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=40)
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "streamzip: STREAMZIP_STORE_URL needs PostgreSQL's driver: install streamzip[postgre"
    )


@pytest.mark.parametrize("url", ["mysql://host/database", "postgresql://", "/var/lib/streamzip.db"])
def test_start_refuses_a_url_of_another_kind(tmp_path: Path, url: str) -> None:
    """The setting is named, with an example, and the value is not shown."""
    ended = run("serve", "--data", str(tmp_path), store_url=url, **KEYS)
    assert ended.returncode == 2
    assert "STREAMZIP_STORE_URL" in ended.stderr
    assert "postgresql://user:password@host:5432/database" in ended.stderr
    assert f"{url}\n" not in ended.stderr


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"postgresql://u:{PASSWORD}%zz@127.0.0.1/x", "cannot be read: write postgresql://user"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1/x?colour=red", "cannot be read: write postgresql://user"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1/x", "Connection refused"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1,127.0.0.1:2/x", "Connection refused"),
        (f"postgresql://nobody:{PASSWORD}@127.0.0.1:PORT/postgres", 'role "nobody" does not exist'),
        (f"postgresql://streamzip:{PASSWORD}@127.0.0.1:PORT/nothing", 'database "nothing" does not exist'),
    ],
)
def test_start_says_in_a_sentence_why_the_store_cannot_be_reached(tmp_path: Path, url: str, reason: str) -> None:
    """One line, an exit status, and no password in it."""
    said = refusal(tmp_path, store_url=url.replace("PORT", str(postgresql.shared().port)), **KEYS)
    assert "STREAMZIP_STORE_URL" in said
    assert reason in said


@pytest.mark.needs("postgresql")
def test_start_refuses_without_what_all_gateways_must_have_in_common(tmp_path: Path, url: str) -> None:
    """Each of several would sign with a secret of its own, and give out links of its own."""
    assert "needs STREAMZIP_SECRET_KEYS and STREAMZIP_PUBLIC_URL too" in refusal(tmp_path, store_url=url)
    receiver = {"webhook_url": "https://hooks.example/"}
    assert "needs STREAMZIP_WEBHOOK_SECRET too" in refusal(tmp_path, store_url=url, **KEYS, **receiver)
    assert tables(url) == 0


@pytest.mark.needs("postgresql")
def test_start_refuses_when_rights_are_missing(tmp_path: Path, url: str) -> None:
    """One that may not make tables makes none, and one that may not write serves nobody; after `migrate` by another
    user and a grant it starts.
    """
    server, schema = postgresql.shared(), url.rpartition("%3D")[2]
    user = f"weak_{schema}"
    server.execute(f"CREATE USER {user}")
    server.execute(f"GRANT USAGE ON SCHEMA {schema} TO {user}")
    weak = server.url(schema, user=user)
    assert "run `streamzip migrate` as a user that may make tables" in refusal(tmp_path, store_url=weak, **KEYS)
    assert tables(url) == 0
    migrated = run("migrate", store_url=url)
    assert (migrated.returncode, migrated.stderr) == (0, f"streamzip: the store has schema {len(STEPS)}\n")
    server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {user}")
    assert "lacks rights" in refusal(tmp_path, store_url=weak, **KEYS)
    server.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {user}")
    server.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {user}")
    with Gateway(tmp_path / "data", store_url=weak, **KEYS) as gateway:
        assert gateway.create(urls=["https://example.com/a.png"])["archive_hash"]


@pytest.mark.needs("postgresql")
def test_start_refuses_a_store_of_a_later_release(tmp_path: Path, url: str) -> None:
    """Its tables are left alone."""
    assert run("migrate", store_url=url).returncode == 0
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(insert(versions).values(version=len(STEPS) + 1))
    engine.dispose()
    assert f"has schema {len(STEPS) + 1} and this streamzip knows {len(STEPS)}" in refusal(
        tmp_path, store_url=url, **KEYS
    )


@pytest.mark.needs("postgresql")
def test_start_refuses_a_gateway_with_other_secrets(tmp_path: Path, url: str) -> None:
    """What one signs the other could not read, and receivers would not know: it is told before it serves anybody."""
    with Gateway(tmp_path / "a", store_url=url, **KEYS):
        other = {**KEYS, "secret_keys": f"k1:{'0e' * 32}"}
        assert "STREAMZIP_SECRET_KEYS: the secret k1 is another one" in refusal(tmp_path / "b", store_url=url, **other)
        assert "STREAMZIP_WEBHOOK_SECRET lacks the secret" in refusal(tmp_path / "c", store_url=url, **KEYS)


@pytest.fixture
def server() -> Iterator[postgresql.PostgreSQL]:
    """One that may be stopped."""
    with postgresql.running() as server:
        yield server


@pytest.mark.needs("postgresql")
def test_downloads_go_on_and_creates_come_back_when_the_store_is_away(
    tmp_path: Path, server: postgresql.PostgreSQL
) -> None:
    """A create is answered 503 `store_unavailable` meanwhile, and the download under way is whole."""
    content = os.urandom(3 << 20)
    with Origin() as origin:
        origin.serve("/a.bin", File(content, hold_at=1 << 20))
        with Gateway(tmp_path, allow=[origin.authority], store_url=server.url(), **KEYS) as gateway:
            hash = gateway.create(urls=[origin.url("/a.bin")])["archive_hash"]
            with gateway.client.stream("GET", f"/archive/get/{hash}.zip") as response:
                chunks = response.iter_bytes()
                got = next(chunks)
                server.stop()
                refused = gateway.client.post("/api/archive/create", json={"urls": ["https://example.com/b"]})
                assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
                assert refused.headers["Retry-After"]
                origin.release("/a.bin")
                got += b"".join(chunks)
            assert content in got
            assert len(got) == int(response.headers["Content-Length"])
            server.start()
            deadline = time.monotonic() + 10
            while gateway.client.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline
            assert gateway.create(urls=["https://example.com/b"])["archive_hash"]
            assert gateway.download(hash) == got
            gateway.until(hash, "completed")


@pytest.mark.needs("postgresql")
def test_names_with_a_nul_are_the_names_of_nothing(tmp_path: Path, url: str) -> None:
    """PostgreSQL takes no NUL in a text: who asks for one is told that there is no such archive."""
    with Gateway(tmp_path, store_url=url, **KEYS) as gateway:
        for method, path in (
            *(("GET", "/archive/get/a%00b.zip"), ("GET", "/api/archive/status/%00"), ("GET", "/archive_img/%00")),
            *(("POST", "/api/archive/prefetch/%00"), ("DELETE", "/api/archive/%00")),
        ):
            assert gateway.client.request(method, path).status_code == 404


@pytest.mark.needs("postgresql")
def test_verify_reads_the_store_and_names_what_was_altered_in_it(tmp_path: Path, url: str) -> None:
    """As with SQLite: nothing where all is whole, and the archive whose document is not what was signed."""
    told = {"store_url": url, **KEYS}
    with Gateway(tmp_path, **told) as gateway:
        hash = gateway.create(urls=["https://example.com/a.png"])["archive_hash"]
        whole = run("verify", "--data", str(tmp_path), **told)
        assert (whole.returncode, whole.stdout) == (0, "")
    postgresql.shared().execute(f"UPDATE {url.rpartition('%3D')[2]}.documents SET body = body || 'x'")
    altered = run("verify", "--data", str(tmp_path), **told)
    assert (altered.returncode, altered.stdout.count("\n")) == (1, 1)
    assert altered.stdout.startswith(f"archive {hash}: ")
    away = run("verify", "--data", str(tmp_path), **told | {"store_url": f"postgresql://u:{PASSWORD}@127.0.0.1:1/x"})
    assert (away.returncode, away.stdout) == (1, "")
    assert "Connection refused" in away.stderr
    assert PASSWORD not in away.stderr
