"""Whether other gateways use the data folder of this one."""

import fcntl
import os
from pathlib import Path


def join(path: Path) -> bool:
    """Hold a shared lock of the file for the process's life. Return whether another process holds one already."""
    lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        others = False
    except BlockingIOError:
        others = True
    fcntl.flock(lock, fcntl.LOCK_SH)
    return others
