"""Other people's readers of zip files, each asked whether an archive is clean and what is in it.

    readers = Readers(tmp_path)
    readers.check(path, {"a.txt": b"a"}, streaming=True)

A complaint of any of them, a warning too, is an AssertionError that shows it.
"""

import os
import re
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

JAVA = Path(__file__).parent / "java" / "ZipReaders.java"
PROGRAMS = ("unzip", "7z", "bsdtar", "java")

_QUICK_JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


class Content(NamedTuple):
    """One member, as a reader saw its bytes."""

    name: str
    size: int
    crc: int


def contents(files: Mapping[str, bytes]) -> list[Content]:
    """What a reader should see of these files."""
    return [Content(name, len(body), crc32(body)) for name, body in files.items()]


class Readers:
    """The readers; Java's are compiled into `folder`, once."""

    def __init__(self, folder: Path) -> None:
        self._classes = folder
        self._compiled = False

    def check(self, path: Path, files: Mapping[str, bytes], *, streaming: bool) -> None:
        """All of them find exactly these files, in this order, and nothing to complain of. `streaming`: also front to
        back.
        """
        wanted = contents(files)
        assert python(path) == wanted
        assert self.java("file", path) == wanted
        if streaming:
            assert self.java("stream", path) == wanted
        unzip(path)
        seven_zip(path, files=len(wanted))
        assert bsdtar(path) == list(files)

    def java(self, reader: str, path: Path) -> list[Content]:
        """java.util.zip's ZipFile (`file`) or ZipInputStream (`stream`)."""
        if not self._compiled:
            # The compiler as a module: the `javac` program comes with another package than the one tests ask for.
            _run("java", "-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", str(self._classes), str(JAVA))
            self._compiled = True
        lines = _run("java", *_QUICK_JVM, "-cp", str(self._classes), "ZipReaders", reader, str(path))
        rows = (line.split("\t") for line in lines.splitlines())
        return [Content(name, int(size), int(crc, 16)) for size, crc, name in rows]


def python(path: Path) -> list[Content]:
    """CPython's zipfile; it compares local and central names, and each CRC."""
    found = []
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            size = crc = 0
            with archive.open(info) as member:
                while block := member.read(1 << 20):
                    size, crc = size + len(block), crc32(block, crc)
            found.append(Content(info.filename, size, crc))
    return found


def unzip(path: Path) -> None:
    """Info-ZIP's unzip; it ends with 1 where it only warns."""
    assert "No errors detected" in _run("unzip", "-tq", str(path))


def seven_zip(path: Path, *, files: int) -> None:
    """7-Zip, which warns of bytes that no record accounts for."""
    said = _run("7z", "t", str(path))
    assert "Everything is Ok" in said
    assert "Warning" not in said
    if files > 1:
        assert f"\nFiles: {files}\n" in said


def bsdtar(path: Path) -> list[str]:
    """libarchive's names of the members, all of whose bytes it has read."""
    _run("bsdtar", "-xOf", str(path), quiet=True)
    listed = _run("bsdtar", "-tf", str(path)).encode()
    # It lists what its C library does not know as octal bytes; what it writes to disk is the name itself.
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), listed).decode().splitlines()


def _python_extract(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)


def _seven_zip_extract(archive: Path, folder: Path) -> None:
    said = _run("7z", "x", f"-o{folder}", str(archive))
    assert "Everything is Ok" in said
    assert "Warning" not in said


EXTRACTORS: dict[str, Callable[[Path, Path], object]] = {
    "python": _python_extract,
    "unzip": lambda archive, folder: _run("unzip", "-q", str(archive), "-d", str(folder)),
    "7z": _seven_zip_extract,
    "bsdtar": lambda archive, folder: _run("bsdtar", "-xf", str(archive), "-C", str(folder)),
    # The tool as a module: as with the compiler, its program may not be there.
    "jar": lambda archive, folder: _run(
        "java", *_QUICK_JVM, "-m", "jdk.jartool/sun.tools.jar.Main", "--extract", "--file", str(archive), folder=folder
    ),
}


def _run(*command: str, quiet: bool = False, folder: Path | None = None) -> str:
    """What the program says of an archive; it must not fail, and must say nothing on stderr."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    output = subprocess.DEVNULL if quiet else subprocess.PIPE
    done = subprocess.run(
        command, env=environment, stdout=output, stderr=subprocess.PIPE, encoding="utf-8", cwd=folder, check=False
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not done.stderr, f"{command}: {done.stderr}"
    return done.stdout or ""
