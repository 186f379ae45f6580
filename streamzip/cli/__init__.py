"""The command line: where it begins. `commands.py` has what there is of it, `parsing.py` how its texts are read."""

import os
import sys

from streamzip.cli.loading import loading


def main() -> None:
    """Run the `streamzip` command."""
    _open_streams()
    try:
        _run()
    except KeyboardInterrupt:  # while it loads; each command has its own word for it
        raise SystemExit(130) from None


def _run() -> None:
    with loading():
        from streamzip.cli.commands import NAMES, command_line

        named = sys.argv[1:2]
        completes = "_STREAMZIP_COMPLETE" in os.environ  # then the shell's words are elsewhere
        app = command_line(named if named and named[0] in NAMES and not completes else NAMES)
    app()


def _open_streams() -> None:
    """Have something behind each standard stream that was closed: else the next file or socket would take its place.

    What is read is empty, and what is said goes nowhere. A result fails, as on a full disk: none is lost in silence.
    """
    for name, flags, mode in (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))
