"""`streamzip serve` and `worker`. Their flags are made from config.Settings, so that no setting is spelled twice.

The settings and the server are imported when one of them runs: a list of the commands needs neither.
"""

import os
import signal
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import typer
from typer import Context

from streamzip.cli.ending import stop
from streamzip.cli.parsing import Command
from streamzip.process import hangup
from streamzip.setup_error import SetupError

if TYPE_CHECKING:
    from streamzip.config import Settings


class WithSettings(Command):
    """A command with a flag for each setting. They are made when its flags are looked at, and its function finds what
    was given in the context.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the flags, and --help."""
        from streamzip.cli.flags import options

        return [*options(), *super().get_params(ctx)]

    def invoke(self, ctx: Any) -> Any:
        """Call the function with the context alone."""
        return None if self.callback is None else ctx.invoke(self.callback)


def serve(ctx: Context) -> None:
    """Run the gateway. Each flag is also an environment variable, and wins over it."""
    hangup.hold()
    _run(_read(ctx.params))


def worker(ctx: Context) -> None:
    """Do prefetches, web pages and webhooks of a store on PostgreSQL, in a process of its own.

    With STREAMZIP_JOBS=procrastinate. `serve` runs one too; this is one without a gateway.
    """
    hangup.hold()
    settings = _read(ctx.params)
    from streamzip.config import variable

    try:
        from streamzip.worker import run

        run(settings)
    except ImportError as error:
        stop(f"{variable('jobs')}=procrastinate needs procrastinate: install streamzip[cluster] ({error})", code=1)
    except SetupError as error:
        stop(str(error), code=1)


def _read(flags: Mapping[str, str | None]) -> "Settings":
    """Return the settings, and have the data folder made."""
    from streamzip.cli.flags import settings_with
    from streamzip.data_folder import prepare_data_dir
    from streamzip.settings_checks import unknown_variables

    settings = settings_with(**flags)
    try:
        prepare_data_dir(settings)
    except SetupError as error:
        stop(str(error), code=1)
    for name, meant in unknown_variables(os.environ).items():
        typer.echo(f"streamzip: {name} is no setting{f' (is {meant} meant?)' if meant else ''}", err=True)
    return settings


def _run(settings: "Settings") -> None:
    # Imported here: a refused setting need not load the server.
    from streamzip.serving import serve as run

    # uvicorn ends in good order and then raises the signal again: an end that was asked for is no failure. As process 1
    # of a container, Python would ignore SIGTERM until uvicorn listens for it.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(settings, _worker_beside(settings))
    except KeyboardInterrupt:
        pass
    except SetupError as error:
        stop(str(error), code=1)
    finally:
        signal.signal(signal.SIGTERM, before)


def _worker_beside(settings: "Settings") -> AbstractContextManager[None]:
    """Have a worker run beside the gateway, where procrastinate has its work done."""
    if settings.jobs != "procrastinate":
        return nullcontext()
    from streamzip.config import variable

    try:
        from streamzip.worker import beside
    except ImportError as error:
        raise SetupError(
            f"{variable('jobs')}=procrastinate needs procrastinate: install streamzip[cluster] ({error})"
        ) from error
    return beside(settings)
