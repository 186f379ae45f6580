"""Files that are their owner's alone."""

import os


def private(path: str, flags: int) -> int:
    """Open as `open` does whose `opener` this is; a file that it makes no other user may read."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
