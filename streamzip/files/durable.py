"""What the disk has for good, and when it takes no more."""

import errno
import os
from pathlib import Path
from typing import Final

DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def sync_folder(path: Path) -> None:
    """Have the folder's names on disk: what was made, renamed or removed outlives a power loss. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
