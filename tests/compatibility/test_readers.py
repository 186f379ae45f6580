"""Archives of every kind the gateway makes, in Python, unzip, 7-Zip, bsdtar and Java; a complaint is a failure."""

import random
import zipfile
from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.unzippers import EXTRACTORS, PROGRAMS, Readers, contents, python

pytestmark = pytest.mark.needs(*PROGRAMS)

TEXT = ("the quick brown fox jumps over the lazy dog, and then again; " * 4000).encode()
NOISE = random.Random(1).randbytes(300_000)
SMALL = {
    "a.txt": TEXT,
    "noise.jpg": NOISE,
    "empty.bin": b"",
    "one byte": b"x",
    "deep/er/and/deeper/b.csv": b"1,2,3\n" * 30_000,
    "déjà vu/naïve café.txt": b"latin",
    "日本語/写真 🏞.txt": "こんにちは".encode() * 1000,
    "e\u0301.txt": b"decomposed",  # becomes composed: NFC
    "C++ & 100% #1 [final].txt": b"punctuation",
}
EXPECTED = {"é.txt" if name == "e\u0301.txt" else name: body for name, body in SMALL.items()}


@pytest.fixture(scope="session")
def sources(origin: Origin) -> dict[str, str]:
    """The small files on the origin: name in the archive, URL."""
    urls = {}
    for number, (name, body) in enumerate(SMALL.items()):
        origin.serve(f"/readers/{number}", File(body))
        urls[name] = origin.url(f"/readers/{number}")
    return urls


def build(gateway: Gateway, folder: Path, entries: list[dict[str, object]], **options: object) -> tuple[str, Path]:
    """The archive's hash and file, as a first GET streams it; the finished copy is the same."""
    hash = gateway.create(entries=entries, **options)["archive_hash"]
    live = gateway.download(hash)
    gateway.until(hash)
    assert gateway.download(hash) == live
    path = folder / "archive.zip"
    path.write_bytes(live)
    return hash, path


def test_empty_folders_are_made_by_every_reader(gateway: Gateway, sources: dict[str, str], tmp_path: Path) -> None:
    """An entry without a URL comes out as a folder with nothing in it, and one that has files keeps them."""
    rows: list[dict[str, object]] = [{"name": "empty/"}, {"name": "full/", "mtime": "2026-05-01T10:00:00Z"}]
    hash, path = build(gateway, tmp_path, [*rows, {"url": sources["one byte"], "name": "full/x"}])
    assert gateway.status(hash)["progress"]["entries"] == 3
    for name, extract in EXTRACTORS.items():
        folder = tmp_path / name
        folder.mkdir()
        extract(path, folder)
        found = {str(each.relative_to(folder)): each.is_dir() for each in folder.rglob("*")}
        assert found == {"empty": True, "full": True, "full/x": False}, name


@pytest.mark.parametrize("compression", ["store", "deflate", "auto"])
def test_small_members_are_clean_in_every_reader_streaming_ones_too(
    gateway: Gateway, readers: Readers, sources: dict[str, str], tmp_path: Path, compression: str
) -> None:
    """Unicode names, empty files, text and noise, under each compression; also in Java's streaming reader."""
    entries: list[dict[str, object]] = [{"url": url, "name": name} for name, url in sources.items()]
    _, path = build(gateway, tmp_path, entries, compression=compression)
    readers.check(path, EXPECTED, streaming=True)
    with zipfile.ZipFile(path) as archive:
        methods = {info.filename: info.compress_type for info in archive.infolist()}
        assert not any(info.flag_bits & 0x08 for info in archive.infolist())  # no descriptors
    deflated = {name for name, method in methods.items() if method == zipfile.ZIP_DEFLATED}
    assert "empty.bin" not in deflated
    assert "noise.jpg" not in deflated  # it does not shrink
    assert ("a.txt" in deflated) == (compression != "store")


def test_duplicate_and_clashing_names_are_all_there(
    gateway: Gateway, readers: Readers, origin: Origin, tmp_path: Path
) -> None:
    """Every file of equal names, in any case, and of a name that is also a folder, is extracted, none over another."""
    wished = ["a.txt", "a.txt", "A.TXT", "a (2).txt", "dir", "dir/file", "strasse", "straße", "e\u0301", "é"]
    entries: list[dict[str, object]] = []
    for number, name in enumerate(wished):
        origin.serve(f"/equal/{number}", File(f"number {number}".encode()))
        entries.append({"url": origin.url(f"/equal/{number}"), "name": name})
    _, path = build(gateway, tmp_path, entries)
    found = python(path)
    folded = [member.name.casefold() for member in found]
    assert len(set(folded)) == len(wished)
    assert not any(other.startswith(f"{name}/") for name in folded for other in folded)
    readers.check(path, {m.name: f"number {n}".encode() for n, m in enumerate(found)}, streaming=True)


def test_large_members_are_clean_in_every_reader(
    gateway: Gateway, readers: Readers, origin: Origin, tmp_path: Path
) -> None:
    """Members of several parts, without ranges, without a length, and compressed in many blocks, side by side."""
    text = TEXT * 20
    files = {
        "parts.bin": File(Pattern(20 << 20)),
        "no ranges.bin": File(Pattern((2 << 20) + 1), ranges=False, etag=None),
        "no length.bin": File(Pattern((3 << 20) + 7), chunked=True, ranges=False),
        "small, no length.bin": File(Pattern(700), chunked=True, ranges=False),
        "long.txt": File(text),
        "just held.bin": File(Pattern(1 << 20)),
        "just not held.bin": File(Pattern((1 << 20) + 1)),
        "one part.bin": File(Pattern(8 << 20)),
        "one part and a byte.bin": File(Pattern((8 << 20) + 1)),
    }
    entries: list[dict[str, object]] = []
    for number, (name, file) in enumerate(files.items()):
        origin.serve(f"/large/{number}", file)
        entries.append({"url": origin.url(f"/large/{number}"), "name": name})
    _, path = build(gateway, tmp_path, entries, compression="deflate")
    readers.check(path, {name: file.body[:] for name, file in files.items()}, streaming=False)


def test_given_facts_are_in_the_archive(gateway: Gateway, readers: Readers, origin: Origin, tmp_path: Path) -> None:
    """A size and CRC that were given spare the descriptor of a large member, so that streaming readers take it too."""
    body = Pattern(3 << 20)
    origin.serve("/given/a", File(body))
    whole = contents({"a.bin": body[:]})[0]
    entry = {"url": origin.url("/given/a"), "name": "a.bin", "size": whole.size, "crc32": f"{whole.crc:08x}"}
    _, path = build(gateway, tmp_path, [entry | {"mtime": "2020-02-29T23:59:59Z"}], compression="store")
    readers.check(path, {"a.bin": body[:]}, streaming=True)
    with zipfile.ZipFile(path) as archive:
        (info,) = archive.infolist()
        assert info.date_time[:3] == (2020, 2, 29)
        assert info.extra[:2] == b"UT"


def test_a_report_of_what_is_missing_is_clean_too(
    gateway: Gateway, readers: Readers, origin: Origin, tmp_path: Path
) -> None:
    """The report of skipped entries is a member like any other, under another name where a user has its name."""
    origin.serve("/report/a", File(b"a user's own"))
    entries: list[dict[str, object]] = [
        {"url": origin.url("/report/a"), "name": "archive-report.json"},
        {"url": origin.url("/report/missing"), "name": "b"},
    ]
    _, path = build(gateway, tmp_path, entries)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["archive-report.json", "archive-report (2).json"]
        files = {name: archive.read(name) for name in archive.namelist()}
    assert files["archive-report.json"] == b"a user's own"
    readers.check(path, files, streaming=True)


@pytest.mark.slow
@pytest.mark.parametrize("count", [65_534, 65_535, 65_536])
def test_archives_are_clean_around_the_number_of_entries_that_takes_zip64(
    gateway: Gateway, readers: Readers, origin: Origin, tmp_path: Path, count: int
) -> None:
    """65,534 entries fit the plain end record; 65,535 is the value that points to ZIP64 (APPNOTE 4.4.1.4)."""
    origin.serve("/many/x", File(b"x"))
    url = origin.url("/many/x")
    entries: list[dict[str, object]] = [{"url": url, "name": f"{n:05d}", "size": 1} for n in range(count)]
    _, path = build(gateway, tmp_path, entries)
    assert (b"PK\x06\x06" in path.read_bytes()[-200:]) == (count >= 65_535)
    files = {f"{n:05d}": b"x" for n in range(count)}
    readers.check(path, files, streaming=True)
