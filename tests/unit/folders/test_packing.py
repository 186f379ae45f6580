"""A folder as an archive: its length is known before a byte is read, and any range is the slice of the whole."""

import io
import json
import os
import random
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from zlib import crc32

import pytest

from streamzip.folders.packing import Checksums, FolderArchive
from streamzip.folders.tree import Changed, Identity
from streamzip.zip.layout import HELD_LIMIT
from tests.support.zip_structure import boundaries, random_spans, spans_at


@contextmanager
def archive(root: Path, checksums: Checksums | None = None) -> Iterator[FolderArchive]:
    made = FolderArchive(root, "photos", most=1000, checksums=checksums or Checksums())
    with closing(made):
        yield made


def whole(root: Path) -> bytes:
    with archive(root) as made:
        return b"".join(made.runs(0, made.length))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small file, two that are too large to be held, an empty one, an empty folder."""
    chance = random.Random(5)
    photos = tmp_path / "photos"
    (photos / "inner" / "empty").mkdir(parents=True)
    (photos / "a.txt").write_bytes(b"a" * 100)
    (photos / "inner" / "big").write_bytes(chance.randbytes(HELD_LIMIT + 12_345))
    (photos / "nothing").touch()
    (photos / "zig").write_bytes(chance.randbytes(2 * HELD_LIMIT + 1))
    for path in photos.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return tmp_path


def test_archive_is_a_sound_zip_of_the_length_it_said(root: Path) -> None:
    """Names, bytes, times, and the empty folder as an entry of its own."""
    body = whole(root)
    with archive(root) as made:
        assert made.length == len(body)
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["a.txt", "inner/big", "inner/empty/", "nothing", "zig"]
        assert opened.read("inner/big") == (root / "photos" / "inner" / "big").read_bytes()
        assert {info.date_time for info in opened.infolist()} == {(2023, 11, 14, 22, 13, 20)}


def test_archive_is_an_empty_zip_when_the_folder_is_empty(tmp_path: Path) -> None:
    """22 bytes that every reader takes."""
    (tmp_path / "photos").mkdir()
    assert zipfile.ZipFile(io.BytesIO(whole(tmp_path))).namelist() == []


def test_range_is_the_slice_of_the_whole_when_nothing_was_read_before(root: Path) -> None:
    """At every boundary of its structures, and anywhere else, with no checksum known or some."""
    body = whole(root)
    kept = Checksums()
    spans = spans_at(boundaries(body, every=1 << 20), len(body))
    for number, span in enumerate(spans + random_spans(len(body), 40, random.Random(1))):
        with archive(root, kept if number % 2 else None) as made:
            assert b"".join(made.runs(*span)) == body[span.start : span.stop], span


def test_range_in_the_directory_reads_only_files_whose_records_it_holds(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end records need no file; the last record needs the last one."""
    read: list[int] = []
    real = os.pread

    def counting(fd: int, length: int, offset: int) -> bytes:
        run = real(fd, length, offset)
        read.append(len(run))
        return run

    monkeypatch.setattr(os, "pread", counting)
    with archive(root) as made:
        length = made.length
        assert len(b"".join(made.runs(length - 22, length))) == 22
        assert sum(read) == 0
        b"".join(made.runs(length - 23, length))
        assert sum(read) == 2 * HELD_LIMIT + 1


def test_resume_reads_nothing_again_when_its_beginning_was_sent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a broken download had checksummed is remembered, in the middle of a file too."""
    kept = Checksums()
    body = whole(root)
    cut = body.index((root / "photos" / "zig").read_bytes()) + (1 << 20)
    with archive(root, kept) as made:
        for _ in made.runs(0, cut):
            pass
    read: list[int] = []
    real = os.pread

    def counting(fd: int, length: int, offset: int) -> bytes:
        read.append(length)
        return real(fd, length, offset)

    monkeypatch.setattr(os, "pread", counting)
    with archive(root, kept) as made:
        assert b"".join(made.runs(cut, made.length)) == body[cut:]
    assert sum(read) == HELD_LIMIT + 1


def test_checksum_gives_way_while_it_is_read(root: Path) -> None:
    """An empty run after each MiB: a reader that left is not read for to the end, and what was read counts."""
    kept = Checksums()
    with archive(root, kept) as made:
        runs = made.runs(made.length - 23, made.length)
        assert next(runs) == b""
        runs.close()
        status = (root / "photos" / "zig").stat()
        identity = Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        beginning = (root / "photos" / "zig").read_bytes()[: 1 << 20]
        assert kept.get(identity) == (1 << 20, crc32(beginning))


def test_archive_ends_in_an_error_when_a_file_changes_while_it_is_read(root: Path) -> None:
    """Appended to, cut short or touched: no byte that was read after the change is handed on."""

    def append(path: Path) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    for change in (append, lambda path: os.truncate(path, 1 << 20), os.utime, Path.unlink):
        with archive(root) as made:
            runs = made.runs(made.length - (1 << 20) * 2, made.length)
            next(runs)
            change(root / "photos" / "zig")
            with pytest.raises(Changed):
                list(runs)
        (root / "photos" / "zig").write_bytes(b"z" * (2 * HELD_LIMIT + 1))


def test_etag_changes_with_names_sizes_and_times_alone(root: Path) -> None:
    """The same listing has the same ETag, in another process too; each change has another one."""

    def etag() -> str:
        with archive(root) as made:
            return made.etag

    photos = root / "photos"
    seen = [etag()]
    assert etag() == seen[0]
    (photos / "a.txt").chmod(0o600)
    assert etag() == seen[0]
    os.utime(photos / "a.txt", (5, 5))
    seen.append(etag())
    (photos / "a.txt").rename(photos / "b.txt")
    seen.append(etag())
    (photos / "nothing").unlink()
    seen.append(etag())
    (photos / "inner" / "empty" / "now").mkdir()
    seen.append(etag())
    assert len(set(seen)) == 5


def test_names_are_made_safe_and_unique_when_they_are_not(tmp_path: Path) -> None:
    """What another system could not unpack, or would write over its neighbour, gets a name that it can."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in (b"a.txt", b"A.txt", b"b\\..\\c", b"\xff.bin", b"new\nline", b"nul"):
        Path(os.fsdecode(os.fsencode(photos) + b"/" + name)).touch()
    with zipfile.ZipFile(io.BytesIO(whole(tmp_path))) as opened:
        found = opened.namelist()
    assert found == ["A.txt", "a (2).txt", "b/c", "new_line", "_nul", "_.bin"]


def test_checksums_forget_the_longest_unused_when_there_are_too_many() -> None:
    """Memory is bounded; what was used lately stays, and more of a file is not replaced by less."""
    kept = Checksums(most=2)
    first, second, third = (Identity(1, inode, 10, 0, 0) for inode in range(3))
    kept.learn(first, 9, 99)
    kept.learn(first, 5, 55)
    kept.learn(second, 1, 11)
    assert kept.get(first) == (9, 99)
    kept.learn(third, 1, 11)
    assert kept.get(second) == (0, 0)
    assert kept.get(first) == (9, 99)


def test_archive_tells_what_it_lacks_when_a_file_may_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last member names the file; any range of it is a slice of the whole."""
    (root / "photos" / "archive-report.json").touch()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, *more, **named: path != "big" and real(path, *more, **named))
    body = whole(root)
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        assert opened.testzip() is None
        *names, last = opened.namelist()
        assert names == ["a.txt", "archive-report.json", "inner/empty/", "nothing", "zig"]
        assert last == "archive-report (2).json"
        assert [row["name"] for row in json.loads(opened.read(last))["skipped"]] == ["inner/big"]
    with archive(root) as made:
        lacking = made.etag
        for start, stop in spans_at(boundaries(body), len(body)):
            assert b"".join(made.runs(start, stop)) == body[start:stop]
    monkeypatch.undo()
    with archive(root) as made:
        assert made.etag != lacking
