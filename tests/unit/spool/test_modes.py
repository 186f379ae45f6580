"""Who else on the machine may read the copies: nobody, or the group where nginx sends them."""

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamzip.origins.sightings import Sightings
from streamzip.spool.shelf import Shelf
from streamzip.uploads.files import UploadFolder

NAME = "ab" + "0" * 30


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The one that most services run with, and a looser one would be the operator's own doing."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(root: Path) -> dict[str, int]:
    return {path.suffix or path.name: stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}


@pytest.mark.parametrize(("shared", "file", "folder"), [(False, 0o600, 0o700), (True, 0o640, 0o750)])
def test_copies_are_closed_to_other_users(tmp_path: Path, shared: bool, file: int, folder: int) -> None:
    """0600 beneath 0700; where nginx sends them its group may read the copy, and what is beside it never."""
    shelf = Shelf(tmp_path / "spool", budget=1 << 20, shared=shared)
    spool = shelf.open(NAME, size=4, layout=b"l")
    spool.close()
    assert modes(tmp_path / "spool") == {
        "spool": folder,
        "ab": folder,
        ".part": file,
        ".journal": 0o600,
        ".lock": 0o600,
    }


@pytest.mark.parametrize(
    ("shared", "before", "after"), [(False, 0o755, 0o700), (True, 0o755, 0o750), (True, 0o710, 0o710)]
)
def test_folder_of_an_older_version_is_closed(tmp_path: Path, shared: bool, before: int, after: int) -> None:
    """It let every user in; what an operator has closed already stays as it is."""
    root = tmp_path / "spool"
    root.mkdir()
    root.chmod(before)
    Shelf(root, budget=1, shared=shared).shut_out()
    assert stat.S_IMODE(root.stat().st_mode) == after


def test_uploads_and_what_workers_share_are_closed_to_other_users(tmp_path: Path) -> None:
    """Also where the operator's data folder is open."""
    uploads = UploadFolder(tmp_path / "uploads", most=1, quota=1, files=1)
    asyncio.run(uploads.sweep())
    Sightings(tmp_path / "passes")
    assert {mode & 0o077 for mode in modes(tmp_path / "uploads").values()} == {0}
    assert stat.S_IMODE((tmp_path / "passes").stat().st_mode) == 0o600
