"""Exchanges pairs of directory entries as fast as it can, until it is ended: `python swap.py A B [C D …]`."""

import ctypes
import itertools
import os
import sys

AT_FDCWD = -100
RENAME_EXCHANGE = 2


def main() -> None:
    """Swap for ever."""
    libc = ctypes.CDLL(None, use_errno=True)
    paths = [os.fsencode(path) for path in sys.argv[1:]]
    pairs = list(zip(paths[::2], paths[1::2], strict=True))
    print("swapping", flush=True)
    for first, second in itertools.cycle(pairs):
        if libc.renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE):
            raise OSError(ctypes.get_errno(), "renameat2")


if __name__ == "__main__":
    main()
