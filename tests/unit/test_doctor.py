"""`streamzip doctor`: each look at a machine finds what is wrong with it, and says what to do."""

import json
import os
import resource
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from streamzip.cli.commands import command_line
from streamzip.config import Settings, variable
from streamzip.data_folder import load_key_ring_text, prepare_data_dir
from streamzip.doctor import examine


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("STREAMZIP_"):
            monkeypatch.delenv(name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder after its first start, but for the store."""
    settings = Settings(data_dir=tmp_path / "data")
    prepare_data_dir(settings)
    load_key_ring_text(settings)
    return settings.data_dir


def found(level: str, *, environment: tuple[str, ...] = (), **given: Any) -> dict[str, str]:
    """What is found of this level, by its subject."""
    texts: dict[str, str] = {}
    for finding in examine(Settings(**({"port": 0} | given)), environment):
        if finding.level == level:
            texts[finding.subject] = texts.get(finding.subject, "") + finding.text
    return texts


def test_machine_with_nothing_wrong_has_no_failure(data: Path) -> None:
    """Before the first start, and after it."""
    for folder in (data, data.parent / "new" / "deeper"):
        assert found("failure", data_dir=folder) == {}
        assert found("warning", data_dir=folder).keys() <= {"clock", "disk", "open files"}
    assert not (data.parent / "new").exists()
    assert sorted(path.name for path in data.iterdir()) == ["secret.keys"]


def test_misspelt_variable_is_named(data: Path) -> None:
    """With the setting that was probably meant."""
    assert "STREAMZIP_PORT" in found("warning", data_dir=data, environment=("STREAMZIP_PRT",))["settings"]


def test_folder_that_cannot_be_made_or_written_is_a_failure(tmp_path: Path) -> None:
    """The uid is named, and what to do."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "data", tmp_path / "file"):
        text = found("failure", data_dir=path)["data folder"]
        assert f"uid {os.getuid()}" in text
        assert "chown" in text


def test_folder_and_secret_that_others_may_read_are_a_warning(data: Path) -> None:
    """Each with the command that mends it."""
    data.chmod(0o755)
    (data / "secret.keys").chmod(0o644)
    warnings = found("warning", data_dir=data)
    assert f"chmod o= {data}" in warnings["data folder"]
    assert f"chmod o= {data / 'secret.keys'}" in warnings["secrets"]


def test_budget_that_the_disk_does_not_have_is_a_warning(data: Path) -> None:
    """The copies would fill the disk before the oldest are evicted."""
    assert variable("cache_max_bytes") in found("warning", data_dir=data, cache_max_bytes="1000000TiB")["disk"]
    assert "disk" not in found("warning", data_dir=data, cache_max_bytes="1MiB")


def test_secret_that_is_none_is_a_failure(data: Path) -> None:
    """In the words of a start."""
    (data / "secret.keys").write_text("")
    assert "empty" in found("failure", data_dir=data)["secrets"]


def test_store_that_no_start_can_use_is_a_failure(data: Path) -> None:
    """Damaged, or with a later release's schema."""
    (data / "streamzip.db").write_bytes(b"no database" * 1000)
    assert "damaged" in found("failure", data_dir=data)["store"]


def test_few_open_files_are_a_warning_and_too_few_a_failure(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit's names are said."""
    for limit, level in ((1024, "warning"), (50, "failure")):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert "LimitNOFILE" in found(level, data_dir=data)["open files"]


def test_authorities_that_are_none_are_a_failure(data: Path, tmp_path: Path) -> None:
    """A file of something else."""
    (tmp_path / "ca.pem").write_text("none")
    assert variable("ca_file") in found("failure", data_dir=data, ca_file=tmp_path / "ca.pem")["authorities"]


class Health(BaseHTTPRequestHandler):
    """Answers as a gateway does, by a clock that is an hour late."""

    def do_GET(self) -> None:
        body = json.dumps({"status": "ok"}).encode() if self.path.endswith("/healthz") else b"{}"
        self.send_response_only(200)
        self.send_header("Date", f"Sat, 28 Nov {'9' * 11 if '/future/' in self.path else 2015} 08:00:00 GMT")
        self.end_headers()
        self.wfile.write(b"[" * 50_000 if "/deep/" in self.path else body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def healthy() -> Iterator[int]:
    """The port of what answers as a gateway does."""
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_address_is_free_or_a_gateways_or_anothers(data: Path, healthy: int) -> None:
    """A gateway may run beside the look."""
    assert "is free" in found("ok", data_dir=data)["address"]
    assert "a gateway answers" in found("ok", data_dir=data, port=healthy)["address"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        Thread(target=lambda: other.accept()[0].close(), daemon=True).start()
        assert "another program" in found("failure", data_dir=data, port=other.getsockname()[1])["address"]
    assert "192.0.2.1" in found("failure", data_dir=data, host="192.0.2.1")["address"]


def test_public_address_is_asked_and_its_clock_compared(data: Path, healthy: int) -> None:
    """Signed links lapse by the clock."""
    warnings = found("warning", data_dir=data, public_url=f"http://127.0.0.1:{healthy}/zips")
    assert "differs" in warnings["clock"]
    assert "public address" not in warnings
    future = found("warning", data_dir=data, public_url=f"http://127.0.0.1:{healthy}/future")
    assert "public address" not in future
    assert "differs from the proxy" not in future.get("clock", "")  # a date that is none tells nothing
    deep = found("warning", data_dir=data, public_url=f"http://127.0.0.1:{healthy}/deep")
    assert "another answer" in deep["public address"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert (
        "no gateway answers" in found("warning", data_dir=data, public_url=f"http://127.0.0.1:{port}")["public address"]
    )


def test_gateway_that_everybody_may_use_is_a_warning(data: Path) -> None:
    """Reached from elsewhere, and without keys."""
    assert "keys new" in found("warning", data_dir=data, host="0.0.0.0")["access"]
    assert "access" not in found("warning", data_dir=data, host="0.0.0.0", api_keys="a:" + "0" * 64)
    assert "access" not in found("warning", data_dir=data, host="::1")


def test_proxy_that_is_not_named_is_a_warning(data: Path) -> None:
    """All clients would have its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        public = f"https://127.0.0.1:{taken.getsockname()[1]}"
    assert variable("trusted_proxies") in found("warning", data_dir=data, public_url=public)["proxy"]
    assert "proxy" not in found("warning", data_dir=data, public_url=public, trusted_proxies="127.0.0.1")


def test_copies_that_nginx_cannot_reach_are_a_failure(data: Path) -> None:
    """A client would get 403 in place of the archive."""
    (data / "spool").mkdir(mode=0o750)
    assert "chmod g+x" in found("failure", data_dir=data, sendfile="x-accel")["proxy"]
    data.chmod(0o710)
    assert "proxy" not in found("failure", data_dir=data, sendfile="x-accel")


def test_command_prints_a_line_each_and_fails_where_a_start_would(data: Path) -> None:
    """For a person, or as JSON for programs."""
    run = CliRunner()
    whole = run.invoke(command_line(), ["doctor", "--data", str(data)], env={"STREAMZIP_PORT": "0"})
    assert whole.exit_code == 0
    assert "data folder" in whole.output
    (data / "secret.keys").write_text("")
    wrong = run.invoke(command_line(), ["doctor", "--data", str(data), "--json"], env={"STREAMZIP_PORT": "0"})
    assert wrong.exit_code == 1
    lines = [json.loads(line) for line in wrong.stdout.splitlines() if line.startswith("{")]
    assert {"failure"} == {line["level"] for line in lines if line["subject"] == "secrets"}
    assert run.invoke(command_line(), ["doctor", "--config", "/missing.toml"]).exit_code == 1
    assert run.invoke(command_line(), ["doctor"], env={"STREAMZIP_PORT": "-1"}).exit_code == 2
