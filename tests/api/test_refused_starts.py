"""What a cluster's gateway refuses to start with: one sentence, exit status 1, nothing left behind.

Refusals of other kinds: test_store_url.py (the store's URL, rights, secrets, a later schema), test_shared_copies.py
(the bucket's URL, name, credentials and store), test_starting.py (SQLite, files), test_nodes.py (a copied folder).
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support import clocks, postgresql, seaweedfs
from tests.support.gateway import COMMAND, Gateway
from tests.support.s3_wire import Fault, S3Wire

pytestmark = pytest.mark.slow

SECRET = "hunter2"
KEYS = {
    "secret_keys": f"k1:{'5e' * 32}",
    "public_url": "https://zip.example",
    "webhook_secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
}


def refusal(data: Path, *, command: str = "serve", under: Sequence[str] = (), **settings: str) -> str:
    """The one sentence with which a gateway, or a worker, refuses to start."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
    environment |= {f"STREAMZIP_{name.upper()}": value for name, value in settings.items()}
    port = ["--port", "0"] if command == "serve" else []
    ended = subprocess.run(
        [*under, str(COMMAND), command, *port, "--data", str(data)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("streamzip: ")
    assert SECRET not in ended.stderr
    return ended.stderr


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("command", ["serve", "worker"])
@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        (f"streamzip:{SECRET}@no-such-host.invalid:5432/postgres", "no-such-host.invalid"),
        (f"streamzip:{SECRET}@127.0.0.1:1/postgres", "Connection refused"),
        (f"streamzip:{SECRET}@127.0.0.1:PORT/nothing", 'database "nothing" does not exist'),
        (f"{postgresql.GUARDED}:{SECRET}@127.0.0.1:PORT/postgres", "password authentication failed"),
    ],
    ids=["host", "port", "database", "password"],
)
def test_store_that_cannot_be_reached_is_told_of_in_a_sentence(
    tmp_path: Path, command: str, place: str, sentence: str
) -> None:
    """Host, port, database and password, of a gateway and of a worker: the setting and the reason, no password."""
    server = postgresql.shared()
    server.execute(f"DROP USER IF EXISTS {postgresql.GUARDED}")
    server.execute(f"CREATE USER {postgresql.GUARDED} PASSWORD 'another'")
    url = f"postgresql://{place.replace('PORT', str(server.port))}"
    said = refusal(tmp_path, command=command, store_url=url, jobs="procrastinate", **KEYS)
    assert "the store at STREAMZIP_STORE_URL cannot be opened" in said
    assert sentence in said


def denies(method: str, query: str = "") -> Callable[[str, str], Fault | None]:
    """A bucket that refuses requests of that method whose query has this in it."""
    return lambda asked, path: Fault(403, "AccessDenied") if asked == method and query in path else None


def deletes_nothing(method: str, path: str) -> Fault | None:
    """A bucket that refuses to delete, as S3 does: each object by itself, in an answer of status 200."""
    return Fault(200, "AccessDenied") if method == "POST" and path.endswith("?delete") else None


def overwrites(method: str, path: str) -> Fault | None:
    """A bucket that says of each write that it was done."""
    return Fault(instead=(412, 200))


@pytest.mark.needs("seaweedfs")
@pytest.mark.parametrize(
    ("faults", "sentence", "left"),
    [
        (denies("GET", "list-type"), "its objects cannot be listed (403 AccessDenied)", 0),
        (denies("PUT"), "objects cannot be written, read and deleted (403 AccessDenied)", 0),
        (denies("POST", "delete"), "objects cannot be written, read and deleted (403 AccessDenied)", 1),
        (deletes_nothing, "objects cannot be written, read and deleted (AccessDenied)", 1),
        (overwrites, "it knows no If-None-Match", 0),
    ],
    ids=["list", "put", "delete", "delete each", "conditional writes"],
)
def test_bucket_that_lacks_what_is_needed_is_told_of_in_a_sentence(
    tmp_path: Path, faults: Callable[[str, str], Fault | None], sentence: str, left: int
) -> None:
    """Rights to list, put and delete, and conditional writes. Only what may not be deleted stays there."""
    bucket = seaweedfs.shared().fresh_bucket()
    with S3Wire(seaweedfs.shared(), faults) as wire:
        said = refusal(tmp_path, shared_url=bucket.url("copies"), under=wire.under)
    assert f"STREAMZIP_SHARED_URL: {bucket.url('copies')} cannot be used" in said
    assert sentence in said
    keys = bucket.keys()
    assert len(keys) == left
    assert all(key.startswith("copies/probe-") for key in keys)


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize("command", ["serve", "worker"])
def test_cluster_asks_for_the_webhooks_secret(tmp_path: Path, command: str) -> None:
    """Any of its workers may have to tell the receiver that another gateway was set: a secret of its own would do for
    none. Nothing is made in the store.
    """
    url = postgresql.shared().fresh_url()
    without = {name: value for name, value in KEYS.items() if name != "webhook_secret"}
    said = refusal(tmp_path, command=command, store_url=url, jobs="procrastinate", **without)
    assert "STREAMZIP_STORE_URL needs STREAMZIP_WEBHOOK_SECRET too" in said
    assert postgresql.query(url, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()") == [(0,)]


@pytest.mark.needs("postgresql", "faketime")
def test_second_gateway_says_where_it_differs(tmp_path: Path) -> None:
    """Another public URL, and a clock that is an hour off the server's: it works, so that is a warning."""
    settings = KEYS | {"store_url": postgresql.shared().fresh_url()}
    with Gateway(tmp_path / "a", **settings) as first:
        assert not {"public_url_differs", "clock_differs"} & {line["event"] for line in first.log}
        settings["public_url"] = "https://other.example"
        with Gateway(tmp_path / "b", under=clocks.off("+1h"), **settings) as second:
            told = second.logged("public_url_differs")
            assert (told["url"], told["before"]) == ("https://other.example", "https://zip.example")
            assert abs(second.logged("clock_differs")["seconds_ahead"] - 3600) < 10
