"""An archive as tar: what it promises of a zip, and that other people's readers take it."""

import subprocess
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Status

LARGE = Pattern(9 << 20)  # of two parts
LONG = "ein sehr langer Ordner/" * 5 + "größe.txt"
FILES = {"a.txt": b"a", "block.bin": b"b" * 512, LONG: b"c" * 513, "none": b"", "large.bin": bytes(LARGE[:])}


@pytest.fixture(scope="module")
def archive(gateway: Gateway, origin: Origin) -> tuple[str, httpx.Response]:
    """A tar of these files and an empty folder, and one file that is not there; its hash, and its first download."""
    entries: list[dict[str, object]] = [{"name": "empty/"}]
    for number, (name, body) in enumerate(FILES.items()):
        origin.serve(f"/tar/{number}", File(body))
        entries.append({"url": origin.url(f"/tar/{number}"), "name": name, "mtime": "2026-05-01T10:00:00Z"})
    origin.serve("/tar/gone", Status(404))
    entries.append({"url": origin.url("/tar/gone")})
    made = gateway.create(entries=entries, format="tar", filename="files.zip")["archive_hash"]
    return made, gateway.get(made)


def with_gnu_tar(path: Path, into: Path) -> None:
    subprocess.run(["tar", "--extract", "--file", path, "--directory", into], check=True)


def with_bsdtar(path: Path, into: Path) -> None:
    subprocess.run(["bsdtar", "-x", "-f", path, "-C", into], check=True)


def with_python(path: Path, into: Path) -> None:
    with tarfile.open(path) as archive:
        archive.extractall(into, filter="data")


@pytest.mark.needs("bsdtar")
@pytest.mark.parametrize("reader", [with_gnu_tar, with_bsdtar, with_python])
def test_tar_is_unpacked_by(
    archive: tuple[str, httpx.Response], tmp_path: Path, reader: Callable[[Path, Path], None]
) -> None:
    """Names of any length and script, sizes about a block's, an empty folder, the report, and the time."""
    path, into = tmp_path / "a.tar", tmp_path / "into"
    path.write_bytes(archive[1].content)
    into.mkdir()
    reader(path, into)
    found = {str(each.relative_to(into)): each.read_bytes() for each in into.rglob("*") if each.is_file()}
    assert b"http_404" in found.pop("archive-report.json")
    assert found == FILES
    assert (into / "empty").is_dir()
    assert (into / "a.txt").stat().st_mtime == 1777629600


def test_tar_has_exact_length_etag_and_ranges(gateway: Gateway, archive: tuple[str, httpx.Response]) -> None:
    """As a zip has: before, while and after its files are pulled, and from a copy."""
    made, whole = archive
    assert whole.headers["content-type"] == "application/x-tar"
    assert 'filename="files.tar"' in whole.headers["content-disposition"]
    assert int(whole.headers["content-length"]) == len(whole.content)
    assert whole.content.endswith(bytes(1024))
    for start, stop in ((0, 512), (511, 513), (5000, 6_000_000), (len(whole.content) - 1025, len(whole.content))):
        wanted = {"Range": f"bytes={start}-{stop - 1}", "If-Range": whole.headers["etag"]}
        part = gateway.get(made, wanted)
        assert (part.status_code, part.content) == (206, whole.content[start:stop])


def test_tar_resumes_after_kill(launch: Callable[..., Gateway], origin: Origin) -> None:
    """The bytes are those of before, from wherever they are asked for."""
    origin.serve("/tar/resumed", File(LARGE))
    origin.serve("/tar/small", File(b"s" * 700))
    gateway = launch()
    urls = [origin.url("/tar/small"), origin.url("/tar/resumed"), origin.url("/tar/small")]
    made = gateway.create(urls=urls, format="tar")["archive_hash"]
    begun = gateway.get(made, {"Range": "bytes=0-3000000"})
    gateway.kill()
    gateway.start()
    rest = gateway.get(made, {"Range": "bytes=3000001-", "If-Range": begun.headers["etag"]})
    assert rest.status_code == 206
    with tarfile.open(fileobj=BytesIO(begun.content + rest.content)) as tar:
        read = [tar.extractfile(each) for each in tar]
        assert [each.read() if each else None for each in read] == [b"s" * 700, bytes(LARGE[:]), b"s" * 700]


def test_file_without_a_size_is_left_out_of_a_tar(gateway: Gateway, origin: Origin) -> None:
    """Its header would need the size before the first byte; with `on_error: fail` the archive fails."""
    origin.serve("/tar/chunked", File(b"x" * 100, chunked=True, ranges=False))
    origin.serve("/tar/known", File(b"known"))
    urls = [origin.url("/tar/chunked"), origin.url("/tar/known")]
    made = gateway.create(urls=urls, format="tar")["archive_hash"]
    with tarfile.open(fileobj=BytesIO(gateway.download(made))) as tar:
        assert len(tar.getnames()) == 2
    assert [each["code"] for each in gateway.left_out(made)] == ["size_unknown"]
    unprobed = {"url": origin.url("/tar/known"), "probe": False}
    failing = gateway.create(entries=[unprobed], format="tar", on_error="fail")["archive_hash"]
    assert gateway.get(failing).json()["code"] == "entry_failed"
    sized = gateway.create(entries=[unprobed | {"size": 5}], format="tar")["archive_hash"]
    assert gateway.get(sized).status_code == 200


def test_tar_that_is_to_be_compressed_is_refused(gateway: Gateway) -> None:
    """`auto` and `store` are what a tar is."""
    body = {"urls": ["https://example.com/a"], "format": "tar", "compression": "deflate"}
    answer = gateway.client.post("/api/archive/create", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/compression")
