"""The command line. The flags of `serve` are made from config.Settings, so that no setting is spelled twice."""

import inspect
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import version
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from streamzip.config import (
    Settings,
    SetupError,
    load_key_ring_text,
    prepare_data_dir,
    unknown_variables,
    variable,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # it prints the local variables, and secrets are among them
    help="A streaming zip-on-the-fly gateway: a list of public URLs in, one resumable ZIP64 download out.",
)


def main() -> None:
    """The `streamzip` command."""
    app()


def _print_version(given: bool) -> None:
    if given:
        typer.echo(f"streamzip {version('streamzip')}")
        raise typer.Exit


@app.callback()
def streamzip(
    show_version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hold the options that stand before a command; without it, typer would make `serve` the only command."""


def flags_of(name: str) -> list[str]:
    """The flags of a setting: its name, and a shorter one where config.py gives it (`--data-dir`, `--data`)."""
    extra = Settings.model_fields[name].json_schema_extra
    short = [str(extra["flag"])] if isinstance(extra, dict) and "flag" in extra else []
    return [f"--{name.replace('_', '-')}", *short]


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command one text flag for each setting; it receives what was given, else None.

    Texts, because the model parses flags as it parses the environment: one grammar, one set of error messages.
    """

    def flag(name: str, field: FieldInfo) -> inspect.Parameter:
        default = _shown(field.get_default(call_default_factory=True))
        note = f"default: {default}; env: {variable(name)}" if default else f"env: {variable(name)}"
        option = typer.Option(*flags_of(name), help=f"{field.description} ({note})", metavar=_metavar(field))
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(name, kind, default=None, annotation=Annotated[str | None, option])

    parameters = [flag(name, field) for name, field in Settings.model_fields.items()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _shown(default: Any) -> str:
    """A default as one would type it; nothing for None and for an empty list."""
    if isinstance(default, tuple | frozenset):
        return ",".join(str(part) for part in default)
    return "" if default is None else str(default)


def _metavar(field: FieldInfo) -> str:
    return "|".join(get_args(field.annotation)) if get_origin(field.annotation) is Literal else "VALUE"


@app.command()
@with_settings
def serve(**flags: str | None) -> None:
    """Run the gateway. Each flag is also an environment variable, and wins over it."""
    try:
        given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
        settings = Settings(**given)
        prepare_data_dir(settings)
    except ValidationError as error:
        _stop("; ".join(_explain(details) for details in error.errors(include_url=False, include_input=False)), code=2)
    except SetupError as error:
        _stop(str(error), code=1)
    for name, meant in unknown_variables(os.environ).items():
        typer.echo(f"streamzip: {name} is no setting{f' (is {meant} meant?)' if meant else ''}", err=True)
    _run(settings)


keys = typer.Typer(no_args_is_help=True, help="API keys.")
app.add_typer(keys, name="keys")


@keys.command("new")
def new(name: Annotated[str, typer.Argument(help="Whose key it is; archives are listed by it.")]) -> None:
    """Make an API key: it is shown once, and its line goes into STREAMZIP_API_KEYS."""
    from streamzip.manifest.api_keys import new_key

    try:
        key, line = new_key(name)
    except ValueError as error:
        _stop(str(error), code=2)
    typer.echo(f"{key}\n{line}")
    typer.echo(
        f"The first is the key, and not shown again; the second is its line in {variable('api_keys')}.", err=True
    )


@app.command()
def sign(
    path: Annotated[str, typer.Argument(help="As /archive/get/HASH.zip, or the whole URL.")],
    expires: Annotated[float, typer.Option(min=1, help="Seconds that the link is good for.")],
    data: Annotated[str | None, typer.Option(help="The gateway's data folder, where its secret lies.")] = None,
) -> None:
    """Print a link that is good for so many seconds, for a gateway with STREAMZIP_SIGNED_LINKS=on."""
    from streamzip.manifest.signed_links import SignedLinks
    from streamzip.manifest.signing import KeyRing

    given: dict[str, Any] = {} if data is None else {"data_dir": data}
    try:
        settings = Settings(**given)
        if settings.secret_keys is None and not (settings.data_dir / "secret.keys").exists():
            raise SetupError(f"there is no secret in {settings.data_dir}: name the gateway's data folder with --data")
        keys = KeyRing.parse(load_key_ring_text(settings))
        base, own = _apart(path, settings.public_url)
        typer.echo(f"{base}{own}?{SignedLinks(keys, lifetime=expires).query(own, now=time.time())}")
    except ValidationError as error:
        _stop("; ".join(_explain(details) for details in error.errors(include_url=False, include_input=False)), code=2)
    except (SetupError, ValueError) as error:
        _stop(str(error), code=1)


def _apart(link: str, public_url: str | None) -> tuple[str, str]:
    """What stands before the path as the gateway sees it (a URL's origin, the base that clients see), and that path."""
    base = public_url or ""
    if not link.startswith("/"):
        scheme, _, rest = link.partition("://")
        base = base if base and link.startswith(f"{base}/") else f"{scheme}://{rest.partition('/')[0]}"
        link = link.removeprefix(base)
    if re.fullmatch(r"/[!-\"$->@-~]*", link) is None:
        raise ValueError("a link is signed for a path, as /archive/get/HASH.zip, percent-encoded and without a query")
    return base, link


@app.command()
def create(
    urls: Annotated[list[str], typer.Argument(help="The files' URLs, or upload:NAME for files that lie there.")],
    server: Annotated[str, typer.Option(help="The gateway's own URL.")] = "http://127.0.0.1:8000",
    key: Annotated[
        str | None,
        typer.Option(
            envvar="SZ_KEY", help="An API key. A flag can be read by every user of the machine: use the environment."
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Have it built, and return when it is.")] = False,
) -> None:
    """Create an archive on a running gateway, and print its link."""
    # Imported here: the other commands need not load the client.
    from streamzip.remote import Remote, RemoteError, left_out

    with Remote(server, key) as gateway:
        try:
            created = gateway.create(urls)
            if wait:
                status = gateway.completed(created["archive_hash"], _show_progress())
                for sentence in left_out(status):
                    typer.echo(f"streamzip: left out: {sentence}", err=True)
        except RemoteError as error:
            if error.code != "no_cache":
                _stop(str(error), code=1)
            typer.echo("streamzip: this gateway keeps no copy of it, and builds it as it is downloaded", err=True)
    typer.echo(created["url"])  # where links are signed, a status may have one without


def _show_progress() -> Callable[[dict[str, Any]], None]:
    """Shows a person how far the archive is; nothing where stderr is no terminal."""

    def show(status: dict[str, Any]) -> None:
        progress, ends = status["progress"], status["status"] in ("completed", "failed")
        if sys.stderr.isatty():
            done, total = (f"{(count or 0) / 1e6:,.1f}" for count in (progress["bytes"], progress["total_bytes"]))
            files = f"{progress['entries']} of {progress['total_entries']} files"
            of = f" of {total}" if progress["total_bytes"] else ""
            typer.echo(f"\r\033[K{status['status']}: {files}, {done}{of} MB", nl=ends, err=True)

    return show


@app.command()
def verify(
    data: Annotated[str | None, typer.Option(help="The gateway's data folder.")] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take damaged copies away, so that they are pulled again.")
    ] = False,
) -> None:
    """Look whether everything stored is whole; a gateway may run beside it. Prints a line for each damage."""
    # Imported here: the other commands need not load the store.
    from rich.console import Console
    from rich.progress import Progress

    from streamzip.verify import Verification

    given: dict[str, Any] = {} if data is None else {"data_dir": data}
    try:
        verification = Verification(Settings(**given), remove=remove)
    except ValidationError as error:
        _stop("; ".join(_explain(details) for details in error.errors(include_url=False, include_input=False)), code=2)
    except (SetupError, ValueError) as error:
        _stop(str(error), code=1)
    damages = 0
    console = Console(stderr=True)
    with closing(verification), Progress(console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("verifying", total=verification.size())
        for damage in verification.run(lambda count: progress.advance(bar, count)):
            damages += 1
            typer.echo(damage)
    looked = f"{verification.archives} archives, {verification.copies} copies, {verification.files} uploaded files"
    typer.echo(f"streamzip: {looked}; damaged: {damages}", err=True)
    raise typer.Exit(1 if damages else 0)


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of the HTTP interface, as the gateway serves it at /openapi.json."""
    # Imported here: the other commands need not load the models.
    from streamzip.api.openapi import document

    typer.echo(json.dumps(document(), indent=2, ensure_ascii=False))


def _run(settings: Settings) -> None:
    # Imported here: `--help` and a refused setting need not load the server.
    from streamzip.app import serve as run

    # uvicorn ends in good order and then raises the signal again: an end that was asked for is no failure. As process 1
    # of a container, Python would ignore SIGTERM until uvicorn listens for it.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(settings)
    except KeyboardInterrupt:
        pass
    except SetupError as error:
        _stop(str(error), code=1)
    finally:
        signal.signal(signal.SIGTERM, before)


def _explain(details: ErrorDetails) -> str:
    """One wrong setting under both its names; never its value, which may be a secret."""
    name = str(details["loc"][0])
    reason = details["ctx"]["error"] if details["type"] == "value_error" else details["msg"]
    return f"{flags_of(name)[0]} ({variable(name)}): {reason}"


def _stop(reason: str, *, code: int) -> NoReturn:
    typer.echo(f"streamzip: {reason}", err=True)
    raise typer.Exit(code)
