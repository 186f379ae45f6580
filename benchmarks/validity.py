"""Whether a download is the archive that was asked for, by other people's programs: curl, unzip, Python's zipfile."""

import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.corpus import File


def check(url: str, files: Sequence[File], scratch: Path) -> int:
    """Download and check every member against what the origin has; the archive's size. Raises where it is wrong."""
    target = scratch / "checked.zip"
    try:
        subprocess.run(["curl", "-sS", "--fail", "-o", str(target), url], check=True)
        check_file(target, files)
        return target.stat().st_size
    finally:
        target.unlink(missing_ok=True)


def check_file(archive: Path, files: Sequence[File]) -> None:
    """The same for an archive on disk."""
    subprocess.run(["unzip", "-tqq", str(archive)], check=True, stdout=subprocess.DEVNULL)
    with zipfile.ZipFile(archive) as opened:
        found = [(info.filename, info.file_size, info.CRC) for info in opened.infolist()]
    wanted = [(file.path.rpartition("/")[2], file.size, file.crc) for file in files]
    if found != wanted:
        raise AssertionError(f"{archive} does not hold the origin's files: {found[:3]} for {wanted[:3]}")
