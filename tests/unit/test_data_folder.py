"""The data folder is proven before anybody is let in."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamzip.config import Settings
from streamzip.data_folder import prepare_data_dir
from streamzip.setup_error import SetupError

SOMEBODY = 12345


@contextmanager
def as_somebody() -> Iterator[None]:
    """Be no root, for whom every file is open."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(SOMEBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder of somebody's, in one that everybody may pass."""
    with tempfile.TemporaryDirectory(dir="/tmp") as above:
        Path(above).chmod(0o755)
        data = Path(above, "data")
        data.mkdir()
        if os.geteuid() == 0:
            os.chown(data, SOMEBODY, SOMEBODY)
        yield data


@pytest.mark.parametrize("name", ["gateway.lock", "jobs.lock", "passes", "streamzip.db", "spool"])
def test_folder_with_another_users_files_is_refused(folder: Path, name: str) -> None:
    """As a command leaves them that was run as root once: workers would end, and be begun again, without an end."""
    with as_somebody():
        prepare_data_dir(Settings(data_dir=folder))
    place = folder / name
    place.mkdir(0o700) if name == "spool" else place.touch(0o600)
    if os.geteuid() != 0:
        place.chmod(0)
    with as_somebody(), pytest.raises(SetupError, match=f"may not write {place}.*chown -R"):
        prepare_data_dir(Settings(data_dir=folder))
    place.chmod(0o700)
