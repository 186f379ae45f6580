"""Whether other gateways use the data folder of this one."""

import fcntl
import os
from pathlib import Path

from streamzip.files.locks import try_flock


def join(path: Path) -> bool:
    """Hold a shared lock of the file for the process's life. Return whether another process holds one already."""
    lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    others = not try_flock(lock)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return others
