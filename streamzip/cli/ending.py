"""How a command ends: its exit status, and one sentence for a person on stderr."""

import json
from typing import NoReturn

import typer
from pydantic import ValidationError

from streamzip.config import Settings, variable

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


def flags_of(name: str) -> list[str]:
    """Return the flags of a setting: its name, and a shorter one where config.py gives it (`--data-dir`, `--data`)."""
    extra = Settings.model_fields[name].json_schema_extra
    short = [str(extra["flag"])] if isinstance(extra, dict) and "flag" in extra else []
    return [f"--{name.replace('_', '-')}", *short]


def explain(error: ValidationError) -> str:
    """Name each wrong setting by both its names; never by its value, which may be a secret."""
    faults = []
    for details in error.errors(include_url=False, include_input=False):
        name = str(details["loc"][0])
        reason = details["ctx"]["error"] if details["type"] == "value_error" else details["msg"]
        faults.append(f"{flags_of(name)[0]} ({variable(name)}): {reason}")
    return "; ".join(faults)
