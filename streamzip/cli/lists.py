"""A list of links, as a command's `--input` names it."""

import sys
from pathlib import Path
from typing import Any

from streamzip.cli.ending import WRONG_USAGE, stop
from streamzip.manifest.lists import ListError, parse


def entries_in(input_file: str) -> list[dict[str, Any]]:
    """Return the entries of the list; `-` is stdin. One that cannot be read ends the command."""
    try:
        text = sys.stdin.read() if input_file == "-" else Path(input_file).read_text("utf-8")
        return parse(text, most=len(text))  # whoever takes the list says how many it may have
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        stop(f"{input_file} cannot be read: {reason}", code=WRONG_USAGE)
    except ListError as error:
        stop(f"{input_file}: {error}", code=WRONG_USAGE)
