"""The manual page, made of the commands as they are: `python -m streamzip.cli.manual > docs/streamzip.1`."""

import sys
from collections.abc import Iterator
from typing import Any

import typer

from streamzip.cli.commands import command_line
from streamzip.cli.serving import WithSettings
from streamzip.version import VERSION

EXITS = (
    ("0", "done"),
    ("1", "failed"),
    ("2", "asked for wrongly"),
    ("3", "done, and some entries were left out"),
    ("130", "stopped by Ctrl-C"),
)
VARIABLES = (
    ("STREAMZIP_SERVER", "The gateway that create, status, watch, get, list and rm ask."),
    ("STREAMZIP_KEY", "The API key that they send to it; SZ_KEY works too."),
)


def manual() -> str:
    """Return the page in troff's man macros (man(7))."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    root: Any = typer.main.get_command(command_line())
    yield f'.TH STREAMZIP 1 "" "streamzip {VERSION}" "User Commands"'
    yield from (".SH NAME", "streamzip \\- a list of URLs in, one resumable zip out")
    yield from (".SH SYNOPSIS", ".B streamzip", ".I COMMAND", "[OPTIONS] ...")
    yield from (".SH DESCRIPTION", _escaped(root.help))
    yield ".SH COMMANDS"
    for name, command in _commands(root):
        yield from _command(name, command)
    yield ".SH ENVIRONMENT"
    for variable, meaning in VARIABLES:
        yield from (".TP", f".B {variable}", _escaped(meaning))
    yield "Each setting of serve has a variable of its own."
    yield ".SH EXIT STATUS"
    for status, meaning in EXITS:
        yield from (".TP", f".B {status}", _escaped(meaning))


def _commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        elif not command.hidden:
            yield prefix + name, command


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = " ".join(each.metavar for each in command.params if each.param_type_name == "argument")
    yield f".SS streamzip {_escaped(name)} [OPTIONS] {_escaped(arguments)}".rstrip()
    yield from filter(None, (_escaped(line.strip()) for line in command.help.splitlines()))
    for each in command.params:
        if each.param_type_name == "argument":
            yield from (".TP", f".I {_escaped(each.metavar)}", _escaped(each.help))
    if isinstance(command, WithSettings):  # docs/configuration.md is their page
        yield _escaped(f"Every setting is an option and a variable: streamzip {name} --help lists them.")
        return
    for each in command.params:
        if each.param_type_name == "option":
            value = "" if each.is_flag else f" \\fI{_escaped(each.metavar or 'VALUE')}\\fR"
            yield from (".TP", f"\\fB{_escaped(', '.join(each.opts))}\\fR{value}")
            default = "" if each.is_flag or each.default is None else f" Default: {each.default}."
            yield _escaped(f"{each.help}{default}")


def _escaped(text: str) -> str:
    """Return the text without what troff would take for its own."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


if __name__ == "__main__":
    sys.stdout.write(manual())
