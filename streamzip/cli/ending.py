"""How a command ends: its exit status, and one sentence for a person on stderr."""

import json
from typing import NoReturn

import typer

FAILED = 1
WRONG_USAGE = 2
SOME_LEFT_OUT = 3
STOPPED = 130  # by Ctrl-C, as shells say it


def printable(text: str) -> str:
    """Return the text as it may go to a terminal: what it would obey, or not show, stands there as an escape.

    Other servers, files and arguments have a say in most of what is printed.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else escaped(each) for each in text)


def escaped(character: str) -> str:
    """Return the character as JSON escapes it."""
    return json.dumps(character)[1:-1] if ord(character) != 0x7F else "\\u007f"


def stop(reason: str, *, code: int) -> NoReturn:
    """End the command with a sentence and an exit status."""
    typer.echo(f"streamzip: {printable(reason)}", err=True)
    raise typer.Exit(code)
