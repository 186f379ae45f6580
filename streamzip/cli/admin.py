"""Commands of the operator that need no running gateway: keys, links, a look at everything stored, the interface."""

import json
import os
import re
import time
from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from streamzip.cli.ending import printable, stop
from streamzip.cli.output import Json
from streamzip.setup_error import SetupError

keys = typer.Typer(no_args_is_help=True, help="API keys.")


@keys.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; archives are listed by it.")],
) -> None:
    """Make an API key.

    It is shown once, and its line goes into STREAMZIP_API_KEYS.
    """
    from streamzip.access.api_keys import new_key

    try:
        key, line = new_key(name)
    except ValueError as error:
        stop(str(error), code=2)
    typer.echo(f"{key}\n{line}")
    typer.echo("The first is the key, and not shown again; the second is its line in STREAMZIP_API_KEYS.", err=True)


def sign(
    path: Annotated[str, typer.Argument(metavar="PATH|URL", help="As /archive/get/HASH.zip, or the whole URL.")],
    expires: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Seconds that the link is good for.")],
    data: Annotated[
        str | None, typer.Option(metavar="DIR", help="The gateway's data folder, where its secret lies.")
    ] = None,
) -> None:
    """Print a link that is good for so many seconds.

    For a gateway with STREAMZIP_SIGNED_LINKS=on.
    """
    from streamzip.access.keyring import KeyRing
    from streamzip.access.signed_links import SignedLinks
    from streamzip.cli.flags import settings_with
    from streamzip.data_folder import load_key_ring_text

    settings = settings_with(data_dir=data)
    try:
        if settings.secret_keys is None and not (settings.data_dir / "secret.keys").exists():
            raise SetupError(f"there is no secret in {settings.data_dir}: name the gateway's data folder with --data")
        keys = KeyRing.parse(load_key_ring_text(settings))
        base, own = _apart(path, settings.public_url)
        typer.echo(f"{base}{own}?{SignedLinks(keys, lifetime=expires).query(own, now=time.time())}")
    except (SetupError, ValueError) as error:
        stop(str(error), code=1)


def _apart(link: str, public_url: str | None) -> tuple[str, str]:
    """Return what stands before the path as the gateway sees it (a URL's origin, the base that clients see), and that
    path.
    """
    base = public_url or ""
    if not link.startswith("/"):
        scheme, _, rest = link.partition("://")
        base = base if base and link.startswith(f"{base}/") else f"{scheme}://{rest.partition('/')[0]}"
        link = link.removeprefix(base)
    if re.fullmatch(r"/[!-\"$->@-~]*", link) is None:
        raise ValueError("a link is signed for a path, as /archive/get/HASH.zip, percent-encoded and without a query")
    return base, link


def verify(
    data: Annotated[str | None, typer.Option(metavar="DIR", help="The gateway's data folder.")] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take damaged copies away, so that they are pulled again.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all of the bucket's objects; else their sizes and ends are looked at.")
    ] = False,
) -> None:
    """Look whether everything stored is whole.

    A gateway may run beside it. Prints a line for each damage.
    """
    # Imported here: the other commands need not load the store.
    from rich.console import Console
    from rich.progress import Progress

    from streamzip.cli.flags import settings_with
    from streamzip.verify import Verification

    settings = settings_with(data_dir=data)
    try:
        verification = Verification(settings, remove=remove, deep=deep)
    except (SetupError, ValueError) as error:
        stop(str(error), code=1)
    damages = 0
    console = Console(stderr=True)
    with closing(verification), Progress(console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("verifying", total=verification.size())
        for damage in verification.run(lambda count: progress.advance(bar, count)):
            damages += 1
            typer.echo(damage)
    looked = f"{verification.archives} archives, {verification.copies} copies, {verification.files} uploaded files"
    if settings.shared_url is not None:
        looked += f", {verification.objects} copies in the bucket"
    typer.echo(f"streamzip: {looked}; damaged: {damages}", err=True)
    raise typer.Exit(1 if damages else 0)


def doctor(
    data: Annotated[str | None, typer.Option(metavar="DIR", help="The gateway's data folder.")] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="The gateway's TOML file of settings.")] = None,
    as_json: Json = False,
) -> None:
    """Look what is wrong with this machine, the folder, the proxy, the clock.

    Run it as the gateway's user, with its variables. Changes nothing; prints a line for each look, and what to do.
    """
    from streamzip.cli.flags import settings_with
    from streamzip.doctor import examine

    settings = settings_with(data_dir=data, config=config)
    found = []
    for finding in examine(settings, os.environ):
        found.append(finding)
        if as_json:
            typer.echo(json.dumps(asdict(finding), ensure_ascii=False))
        else:
            typer.echo(printable(f"{finding.level:<8} {finding.subject:<15} {finding.text}"))
    failures = sum(finding.level == "failure" for finding in found)
    warnings = sum(finding.level == "warning" for finding in found)
    typer.echo(f"streamzip: failures: {failures}; warnings: {warnings}", err=True)
    raise typer.Exit(1 if failures else 0)


def migrate(
    data: Annotated[str | None, typer.Option(metavar="DIR", help="The gateway's data folder.")] = None,
) -> None:
    """Bring the store's schema up to date.

    As each start of a gateway does; STREAMZIP_STORE_URL names another store.
    """
    # Imported here: the other commands need not load the server.
    from streamzip.cli.flags import settings_with
    from streamzip.data_folder import prepare_data_dir
    from streamzip.serving import migrate as run

    settings = settings_with(data_dir=data)
    try:
        if settings.store_url is None:
            prepare_data_dir(settings)
        typer.echo(f"streamzip: the store has schema {run(settings)}", err=True)
    except SetupError as error:
        stop(str(error), code=1)


def openapi() -> None:
    """Print the interface's OpenAPI document.

    As the gateway serves it at /openapi.json.
    """
    # Imported here: the other commands need not load the models.
    from streamzip.api.openapi import document
    from streamzip.api.operations import OPERATIONS

    typer.echo(json.dumps(document(OPERATIONS), indent=2, ensure_ascii=False))
