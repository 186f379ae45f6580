"""A start that cannot go well ends with one sentence before anybody is let in, with one process and with several."""

import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin


def garbage(data: Path) -> None:
    """No database at all."""
    (data / "streamzip.db").write_bytes(b"no database" * 4096)


def inner_damage(data: Path) -> None:
    """A page that no start has to read."""
    with closing(sqlite3.connect(data / "streamzip.db")) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = store.execute("SELECT rootpage FROM sqlite_master WHERE name = 'documents'").fetchone()[0]
        size = store.execute("PRAGMA page_size").fetchone()[0]
    with (data / "streamzip.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xee" * 64)


def newer(data: Path) -> None:
    """What a later release would leave."""
    with closing(sqlite3.connect(data / "streamzip.db")) as store, store:
        store.execute("INSERT INTO schema VALUES (99)")


def file_for_a_folder(data: Path) -> None:
    """The copies' folder is none."""
    shutil.rmtree(data / "spool", ignore_errors=True)
    (data / "spool").write_text("a file")


def lost_secret(data: Path) -> None:
    """What every archive was signed with is gone."""
    (data / "secret.keys").unlink()


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.slow), "2"])
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (garbage, "The store is damaged"),
        (inner_damage, "`streamzip verify` tells"),
        (newer, "run the version that wrote it"),
        (file_for_a_folder, "a folder is needed there"),
        (lost_secret, "secret.keys is missing"),
    ],
)
def test_start_that_cannot_go_well_says_why_and_ends(
    origin: Origin, tmp_path: Path, spoil: Callable[[Path], None], sentence: str, workers: str
) -> None:
    """One sentence and exit status 1: no client is let in, no trace is printed, and nothing is tried again."""
    gateway = Gateway(tmp_path / "data", allow=[origin.authority], workers=workers)
    with gateway:
        origin.serve("/starting/file", File(b"file"))
        gateway.create(urls=[origin.url("/starting/file")])
        gateway.stop()
        spoil(gateway.data)
        before = len(gateway.log)
        with pytest.raises(AssertionError, match="did not log"):
            gateway.start()
        assert gateway.ended() == 1
        said = [line for line in gateway.log[before:] if line["event"] == "not JSON"]
        assert len(said) == 1
        assert sentence in said[0]["line"]
    if spoil is lost_secret:
        assert not (gateway.data / "secret.keys").exists()


def test_second_gateway_on_one_data_folder_says_so_and_takes_part(launch: Launch, origin: Origin) -> None:
    """Both serve the same archives, from one copy; a gateway that is alone says nothing of it."""
    origin.serve("/starting/shared", File(b"shared"))
    first, second = launch(), launch()
    assert not [line for line in first.log if line["event"] == "data_folder_shared"]
    assert second.logged("data_folder_shared")["level"] == "warning"
    hash = first.create(urls=[origin.url("/starting/shared")])["archive_hash"]
    assert first.download(hash) == second.download(hash)
    second.stop()
    second.start()
    first.stop()
    before = len(first.log)
    second.stop()
    first.start()
    assert not [line for line in first.log[before:] if line["event"] == "data_folder_shared"]


def test_a_first_start_on_a_terminal_says_where_to_go(tmp_path: Path) -> None:
    """Lines for a person, the place to open, which answers, and how to end it; Ctrl-C does, with exit status 0."""
    reading, writing = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
    command = [str(COMMAND), "serve", "--port", "0", "--data", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=writing, stderr=writing, env=environment)
    os.close(writing)
    shown = ""
    try:
        while (found := re.search(r"open (http://127\.0\.0\.1:[0-9]+) in a browser; Ctrl-C stops", shown)) is None:
            shown += os.read(reading, 65536).decode()
        page = httpx.get(found[1], headers={"Accept": "text/html"}, trust_env=False, timeout=30)
        assert "<h1>" in page.text
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        os.close(reading)
    lines = shown.splitlines()
    assert len(lines) <= 4, shown
    assert not any("{" in line or "Traceback" in line for line in lines), shown
