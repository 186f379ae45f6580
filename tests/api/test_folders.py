"""The folders door: a folder beneath the configured root is downloaded as an archive, under its secret name.

    GET /archive/{folder}/      the archive, made as it is sent

What is tested here is seen from outside, on a running gateway with `--folders`.
"""

import io
import os
import random
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.own_ids import common, common_fields
from tests.support.unzippers import Readers

HASH = "7kna5e8zq1"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of folders; each test makes its own in it."""
    return tmp_path_factory.mktemp("folders")


@pytest.fixture(scope="module")
def gateway(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway") / "data", folders_dir=str(root)) as gateway:
        yield gateway


@pytest.fixture
def photos(root: Path) -> Iterator[Path]:
    """A folder with a text, a nested file and an empty folder."""
    folder = root / HASH
    (folder / "inner" / "empty").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"text")
    (folder / "inner" / "b.bin").write_bytes(random.Random(1).randbytes(3_000_000))
    yield folder
    shutil.rmtree(folder)


def unpacked(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_folder_is_downloaded_as_an_archive_when_its_name_is_known(gateway: Gateway, photos: Path) -> None:
    """`GET /archive/7kna5e8zq1/` saves archive.zip with all that is in the folder."""
    response = gateway.client.get(f"/archive/{HASH}/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    assert 'attachment; filename="archive.zip"' in response.headers["content-disposition"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert int(response.headers["content-length"]) == len(response.content)
    assert unpacked(response.content) == {
        "a.txt": b"text",
        "inner/b.bin": (photos / "inner" / "b.bin").read_bytes(),
        "inner/empty/": b"",
    }


@pytest.mark.needs("unzip", "7z", "bsdtar", "java")
def test_folder_archive_is_clean_for_other_readers(
    gateway: Gateway, photos: Path, readers: Readers, tmp_path: Path
) -> None:
    """Small files, large ones and none: nobody complains, times are kept to the second."""
    shutil.rmtree(photos / "inner" / "empty")
    os.utime(photos / "a.txt", (1_600_000_001, 1_600_000_001))
    saved = tmp_path / "saved.zip"
    saved.write_bytes(gateway.client.get(f"/archive/{HASH}/").content)
    files = {"a.txt": b"text", "inner/b.bin": (photos / "inner" / "b.bin").read_bytes()}
    readers.check(saved, files, streaming=False)
    subprocess.run(["unzip", "-q", saved, "-d", tmp_path / "out"], check=True)
    assert (tmp_path / "out" / "a.txt").stat().st_mtime == 1_600_000_001


def test_folder_head_is_the_head_of_its_get(gateway: Gateway, photos: Path) -> None:
    """HEAD has GET's headers, the length too."""
    head, get = gateway.client.head(f"/archive/{HASH}/"), gateway.client.get(f"/archive/{HASH}/")
    assert head.status_code == 200
    assert common_fields(head.headers) == common_fields(get.headers)
    assert head.content == b""


def test_folder_redirects_when_the_last_slash_is_missing(gateway: Gateway, photos: Path) -> None:
    """307 to the folder, with its query, whatever the Host says; alike for one that is not there."""
    for name in (HASH, "nowhere"):
        response = gateway.client.get(f"/archive/{name}?x=1", headers={"Host": "a"})
        assert response.status_code == 307
        assert not response.headers["location"].startswith(("http", "//"))
        target = httpx.URL(f"{gateway.base}/archive/{name}").join(response.headers["location"])
        assert str(target) == f"{gateway.base}/archive/{name}/?x=1"
    assert gateway.client.get(f"/archive/{HASH}", follow_redirects=True).status_code == 200


def test_folder_is_unknown_when_it_is_anything_but_a_folder(gateway: Gateway, root: Path, photos: Path) -> None:
    """Absent, a file, a link to a folder, `get`, beyond the root: one answer, which names nothing."""
    (root / "file").touch()
    (root / "link").symlink_to(HASH)
    (root / "out").symlink_to("/etc")
    (root / "get").mkdir(exist_ok=True)
    answers = {
        common(gateway.client.get(f"/archive/{name}/").content)
        for name in ("nowhere", "file", "link", "out", "get", "%00", "%2e%2e", "a%00b", "x" * 300, "..%5c", "%ff")
    }
    assert len(answers) == 1
    assert b'"code": "not_found"' in answers.pop()
    for path in (f"/archive/{HASH}/inner/", f"/archive/{HASH}%2finner/", f"/archive/{HASH}/a.txt", "/archive//"):
        assert gateway.client.get(path).status_code == 404, path


def test_folder_is_unknown_when_no_root_is_configured(launch: Launch) -> None:
    """Without --folders the door is closed."""
    gateway = launch()
    assert {gateway.client.get(path).status_code for path in ("/archive/data/", "/archive/data")} == {404}


def test_folder_range_continues_a_download_that_broke(gateway: Gateway, photos: Path) -> None:
    """Range and If-Range as for any archive, after a restart too; another state of the folder is sent whole."""
    whole = gateway.client.get(f"/archive/{HASH}/")
    etag, body = whole.headers["etag"], whole.content
    gateway.kill()
    gateway.start()
    for start, stop in ((0, 5), (1_000_000, 2_000_000), (len(body) - 300, len(body)), (2_999_000, len(body))):
        headers = {"Range": f"bytes={start}-{stop - 1}", "If-Range": etag}
        part = gateway.client.get(f"/archive/{HASH}/", headers=headers)
        assert part.status_code == 206
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(body)}"
        assert part.content == body[start:stop]
    assert gateway.client.get(f"/archive/{HASH}/", headers={"If-None-Match": etag}).status_code == 304
    beyond = gateway.client.get(f"/archive/{HASH}/", headers={"Range": f"bytes={len(body)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(body)}")
    (photos / "a.txt").write_text("news")
    changed = gateway.client.get(f"/archive/{HASH}/", headers={"Range": "bytes=5-", "If-Range": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    assert gateway.client.get(f"/archive/{HASH}/", headers={"If-Match": etag}).status_code == 412


def test_folder_download_is_cut_when_a_file_changes_meanwhile(gateway: Gateway, photos: Path) -> None:
    """What was begun as one state of the folder is never ended as another."""
    large = photos / "large"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    with gateway.client.stream("GET", f"/archive/{HASH}/") as response, pytest.raises(httpx.RemoteProtocolError):
        received = 0
        for chunk in response.iter_raw():
            received += len(chunk)
            if received > 10 << 20 and large.stat().st_size == 1 << 30:
                with large.open("ab") as file:
                    file.write(b"more")
    assert gateway.logged("download_cut")["detail"].startswith("a file of the folder was changed")


def test_folder_is_sent_when_it_holds_circles_and_pipes(gateway: Gateway, photos: Path) -> None:
    """A FIFO that nobody writes to, and a link to the folder itself: left out, without a wait."""
    os.mkfifo(photos / "pipe")
    (photos / "up").symlink_to(".")
    assert sorted(unpacked(gateway.client.get(f"/archive/{HASH}/").content)) == ["a.txt", "inner/b.bin", "inner/empty/"]


@pytest.mark.parametrize("levels", [2_000, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_folder_is_refused_soon_when_it_is_deeper_than_any(gateway: Gateway, photos: Path, levels: int) -> None:
    """An answer within five seconds that says why."""
    fd = os.open(photos, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    before = time.monotonic()
    refused = gateway.client.get(f"/archive/{HASH}/")
    assert time.monotonic() - before < 5
    assert (refused.status_code, refused.json()["code"]) == (409, "folder_too_deep")
    subprocess.run(["rm", "-rf", "d"], cwd=photos, check=True)  # too deep for shutil


def test_folder_gives_its_descriptors_back_when_its_readers_leave(gateway: Gateway, photos: Path) -> None:
    """Whole, broken off, refused: nothing stays open."""
    with (photos / "large").open("wb") as file:
        file.truncate(1 << 28)
    gateway.client.head(f"/archive/{HASH}/")
    before = gateway.descriptors()
    for _ in range(10):
        with gateway.client.stream("GET", f"/archive/{HASH}/") as response:
            next(response.iter_raw())
        gateway.client.get(f"/archive/{HASH}/", headers={"Range": "bytes=-100"})
        gateway.client.get("/archive/nowhere/")
    deadline = time.monotonic() + 10
    while gateway.descriptors() > before and time.monotonic() < deadline:
        gateway.client.get("/healthz")
    assert gateway.descriptors() <= before


def test_folder_download_keeps_to_the_rate_when_one_is_set(launch: Launch, tmp_path: Path) -> None:
    """STREAMZIP_FOLDERS_RATE slows each download: a second's bytes take a second."""
    (tmp_path / "root" / HASH).mkdir(parents=True)
    (tmp_path / "root" / HASH / "a.bin").write_bytes(bytes(300_000))
    gateway = launch(folders_dir=str(tmp_path / "root"), folders_rate="300000")
    before = time.monotonic()
    body = gateway.client.get(f"/archive/{HASH}/").content
    assert unpacked(body)["a.bin"] == bytes(300_000)
    assert 0.8 < time.monotonic() - before < 3


def test_dot_folder_is_served_when_it_was_asked_for_alone(gateway: Gateway, root: Path, launch: Launch) -> None:
    """`.git` and `.ssh` beside the folders that are shared are unknown, unless the operator says otherwise."""
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("secret")
    assert gateway.client.get("/archive/.git/").status_code == 404
    other = launch("hidden", folders_dir=str(root), folders_hidden="true")
    assert unpacked(other.client.get("/archive/.git/").content) == {"config": b"secret"}
