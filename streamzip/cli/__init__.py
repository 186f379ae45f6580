"""The command line: which commands there are. Each is a function of a module beside this one."""

from typing import Annotated

import typer

from streamzip.cli import admin, oversight, remote, serving, zipping

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,  # its boxes cut long names, at 80 columns even those of variables
    pretty_exceptions_enable=False,  # it prints the local variables, and secrets are among them
    help="A streaming zip-on-the-fly gateway: a list of public URLs in, one resumable ZIP64 download out.",
)


def main() -> None:
    """Run the `streamzip` command."""
    app()


def _print_version(given: bool) -> None:
    if given:
        from importlib.metadata import version

        typer.echo(f"streamzip {version('streamzip')}")
        raise typer.Exit


@app.callback()
def streamzip(
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options that stand before a command; without it, typer would make `serve` the only command."""


app.command("zip")(zipping.zip_)
for flagged in (serving.serve, serving.worker):
    app.command(cls=serving.WithSettings)(flagged)
for command in (remote.create, remote.status, remote.watch, remote.get, remote.rm):
    app.command()(command)
app.command("list")(remote.list_archives)
for of_operator in (admin.sign, admin.verify, admin.doctor, admin.migrate, admin.openapi):
    app.command()(of_operator)
app.add_typer(admin.keys, name="keys")
app.add_typer(oversight.admin, name="admin")
