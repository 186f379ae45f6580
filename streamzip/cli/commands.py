"""Which commands there are. Each is a function of a module beside this one, and loaded where it may be called."""

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Final

import typer

from streamzip.cli.parsing import Command, Group

# By their order in the help: the module, and the function's or the group's name in it.
_COMMANDS: Final = {
    "zip": ("zipping", "zip_"),
    "serve": ("serving", "serve"),
    "worker": ("serving", "worker"),
    "create": ("remote", "create"),
    "status": ("remote", "status"),
    "watch": ("remote", "watch"),
    "get": ("remote", "get"),
    "rm": ("remote", "rm"),
    "list": ("remote", "list_archives"),
    "sign": ("admin", "sign"),
    "verify": ("admin", "verify"),
    "doctor": ("admin", "doctor"),
    "migrate": ("admin", "migrate"),
    "openapi": ("admin", "openapi"),
}
_GROUPS: Final = {"keys": ("admin", "keys"), "admin": ("oversight", "admin")}
NAMES: Final = (*_COMMANDS, *_GROUPS)


def command_line(names: Iterable[str] = NAMES) -> typer.Typer:
    """Return the command line with the commands and groups of these names."""
    app = typer.Typer(
        cls=Group,
        no_args_is_help=True,
        rich_markup_mode=None,  # its boxes cut long names, at 80 columns even those of variables
        pretty_exceptions_enable=False,  # it prints the local variables, and secrets are among them
        help="A streaming zip-on-the-fly gateway: a list of public URLs in, one resumable ZIP64 download out.",
    )
    app.callback()(_streamzip)
    for name in names:
        module, attribute = _COMMANDS.get(name) or _GROUPS[name]
        found = getattr(import_module(f"streamzip.cli.{module}"), attribute)
        if name in _GROUPS:
            app.add_typer(found, name=name)
        elif module == "serving":
            from streamzip.cli.serving import WithSettings

            app.command(name, cls=WithSettings)(found)
        else:
            app.command(name, cls=Command)(found)
    return app


def _print_version(given: bool) -> None:
    if given:
        from streamzip.version import VERSION

        typer.echo(f"streamzip {VERSION}")
        raise typer.Exit


def _streamzip(
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options that stand before a command; without it, typer would make `serve` the only command."""
