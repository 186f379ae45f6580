"""The command line: where it begins. `commands.py` has what there is of it, `parsing.py` how its texts are read."""

import os
import sys

from streamzip.cli.loading import loading


def main() -> None:
    """Run the `streamzip` command."""
    with loading():
        from streamzip.cli.commands import NAMES, command_line

        named = sys.argv[1:2]
        completes = "_STREAMZIP_COMPLETE" in os.environ  # then the shell's words are elsewhere
        app = command_line(named if named and named[0] in NAMES and not completes else NAMES)
    app()
