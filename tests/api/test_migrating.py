"""What docs/migrating.md promises to the users of other services, where no test of a door's own shows it."""

import re
import subprocess
import time
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from streamzip.config import Settings
from tests.support.fixtures import Launch
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin, Pattern


def test_key_value_form_leaves_out_what_cannot_be_had(gateway: Gateway, origin: Origin) -> None:
    """It is named in the report; where nothing can be had, the answer says so."""
    origin.serve("/migrating/there", File(b"there"))
    files = [{"filename": name, "url": origin.url(f"/migrating/{name}")} for name in ("there", "gone")]
    key = gateway.client.post("/archive_img", json=files).json()["key"]
    with zipfile.ZipFile(BytesIO(gateway.client.get(f"/archive_img/{key}").content)) as archive:
        assert archive.namelist() == ["there", "archive-report.json"]
    key = gateway.client.post("/archive_img", json=files[1]).json()["key"]
    nothing = gateway.client.get(f"/archive_img/{key}")
    assert (nothing.status_code, nothing.json()["code"]) == (502, "no_entries")


def test_files_are_fetched_at_the_first_get_and_again_when_the_copies_are_deleted(
    gateway: Gateway, origin: Origin
) -> None:
    """Nothing is asked for at the post but a byte; `spool/` may be emptied, at the cost of a second pull."""
    origin.serve("/migrating/kept", File(Pattern(200_000)))
    body = {"filename": "kept.bin", "url": origin.url("/migrating/kept")}
    key = gateway.client.post("/archive_img", json=body).json()["key"]
    assert gateway.status(key)["status"] == "pending"
    content = gateway.client.get(f"/archive_img/{key}").content
    asked = len(origin.requests("/migrating/kept"))
    assert gateway.client.get(f"/archive_img/{key}").content == content
    assert len(origin.requests("/migrating/kept")) == asked
    gateway.copy(key).unlink()
    assert gateway.client.get(f"/archive_img/{key}").content == content
    assert len(origin.requests("/migrating/kept")) > asked


def test_files_of_settings_that_other_services_had_mean_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An .env, a config.py or settings.py, a config.yaml beside it: the environment and flags alone count."""
    for name in (".env", "config.py", "settings.py", "config.yaml"):
        (tmp_path / name).write_text("STREAMZIP_PORT=9000\nPORT=9000\nHOST=0.0.0.0\nDEBUG=1\nLOG_LEVEL=DEBUG\n")
    monkeypatch.chdir(tmp_path)
    for name, value in {"PORT": "9000", "HOST": "0.0.0.0", "DEBUG": "1", "SECRET_KEY": "x", "LOG_LEVEL": "x"}.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.port, settings.host, settings.log_level, settings.secret_keys) == (8000, "127.0.0.1", "info", None)


def test_root_leads_to_no_folder(gateway: Gateway) -> None:
    """It is the form of a new zip; nothing lists the folders, whose names are their secrets."""
    page = gateway.client.get("/", headers={"Accept": "text/html"})
    assert (page.status_code, "<form" in page.text) == (200, True)
    assert "archive/" not in re.findall(r'href="([^"]*)"', page.text)
    assert gateway.client.get("/archive/").status_code == 404


def test_folder_is_given_at_a_hundred_kilobytes_a_second(launch: Launch, tmp_path: Path) -> None:
    """`STREAMZIP_FOLDERS_RATE=100KB`, as chunks of 100 kB every second were; the folder of photos is read in place."""
    photos = tmp_path / "test_photos" / "7kna5e8zq1"
    photos.mkdir(parents=True)
    (photos / "1.jpg").write_bytes(bytes(150_000))
    gateway = launch(folders_dir=str(photos.parent), folders_rate="100KB")
    began = time.monotonic()
    content = gateway.client.get("/archive/7kna5e8zq1/").content
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert [(each.filename, each.compress_type) for each in archive.infolist()] == [("1.jpg", zipfile.ZIP_STORED)]
    assert 1.2 < time.monotonic() - began < 8


def test_nothing_is_logged_when_logging_is_off(tmp_path: Path) -> None:
    """`STREAMZIP_LOG_LEVEL=off`: not even a start or a failure; the folder for folders is a flag."""
    data, port = tmp_path / "quiet", "0"
    command = [str(COMMAND), "serve", "--data", str(data), "--port", port, "--log-level", "off", "--folders", "."]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while not (data / "streamzip.db").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.terminate()
        _, logged = process.communicate(timeout=40)
    assert (data / "streamzip.db").exists()
    assert logged == b""


def test_the_ten_extensions_of_before_are_taken_by_default() -> None:
    """Nobody has to set what was in the code."""
    assert set(Settings().upload_extensions) == {
        *("txt", "rtf", "doc", "docx", "xls"),
        *("xlsx", "pdf", "png", "jpg", "jpeg"),
    }


@pytest.mark.needs("curl")
def test_old_files_are_uploaded_one_by_one(launch: Launch, tmp_path: Path) -> None:
    """`curl -X POST -T FILE …/upload/NAME`, with names that keep their spaces and letters."""
    gateway = launch()
    for name in ("old report.pdf", "фото.png"):
        (tmp_path / name).write_bytes(name.encode())
        target = f"{gateway.base}/upload/{name.replace(' ', '%20')}"
        command = ["curl", "-sS", "--fail", "-X", "POST", "-T", name, target]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    assert {row["filename"] for row in gateway.client.get("/download").json()} == {"old report.pdf", "фото.png"}
    page = gateway.client.get("/upload").text
    assert "old report.pdf" in page and "фото.png" in page


def test_every_door_is_there_at_once_under_one_port(gateway: Gateway) -> None:
    """The endpoints of the five services, none of them in another's way."""
    for method, path, status in (
        ("POST", "/archive_img", 400),
        ("GET", "/archive_img/unknown", 404),
        ("GET", "/health_check", 200),
        ("POST", "/api/archive/create", 400),
        ("GET", f"/api/archive/status/{'0' * 32}", 404),
        ("GET", f"/archive/get/{'0' * 32}.zip", 404),
        ("GET", "/archive/7kna5e8zq1/", 404),
        ("GET", "/upload", 200),
        ("POST", "/upload", 400),
        ("GET", "/download", 200),
        ("GET", "/download/unknown.txt", 404),
        ("POST", "/download", 400),
        ("GET", "/download/7b0dc7a5-52d2-4b0e-a0c5-4e6d3a0f3b6e", 404),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
    ):
        assert gateway.client.request(method, path).status_code == status, path
