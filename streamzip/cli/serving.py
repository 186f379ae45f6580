"""`streamzip serve`. Its flags are made from config.Settings, so that no setting is spelled twice."""

import inspect
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from streamzip.cli.ending import explain, flags_of, stop
from streamzip.config import Settings, SetupError, unknown_variables, variable
from streamzip.data_folder import prepare_data_dir
from streamzip.process import hangup


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
    """Return a default as one would type it; nothing for None and for an empty list."""
    if isinstance(default, tuple | frozenset):
        return ",".join(str(part) for part in default)
    return "" if default is None else str(default)


def _metavar(field: FieldInfo) -> str:
    return "|".join(get_args(field.annotation)) if get_origin(field.annotation) is Literal else "VALUE"


@with_settings
def serve(**flags: str | None) -> None:
    """Run the gateway. Each flag is also an environment variable, and wins over it."""
    hangup.hold()
    _run(_read(flags))


@with_settings
def worker(**flags: str | None) -> None:
    """Do prefetches, web pages and webhooks of a store on PostgreSQL, in a process of its own.

    With STREAMZIP_JOBS=procrastinate. `serve` runs one too; this is one without a gateway.
    """
    hangup.hold()
    settings = _read(flags)
    try:
        from streamzip.worker import run

        run(settings)
    except ImportError as error:
        stop(f"{variable('jobs')}=procrastinate needs procrastinate: install streamzip[cluster] ({error})", code=1)
    except SetupError as error:
        stop(str(error), code=1)


def _read(flags: Mapping[str, str | None]) -> Settings:
    """Return the settings, and have the data folder made."""
    try:
        settings = Settings.given({name: value for name, value in flags.items() if value is not None})
        prepare_data_dir(settings)
    except ValidationError as error:
        stop(explain(error), code=2)
    except SetupError as error:
        stop(str(error), code=1)
    for name, meant in unknown_variables(os.environ).items():
        typer.echo(f"streamzip: {name} is no setting{f' (is {meant} meant?)' if meant else ''}", err=True)
    return settings


def _run(settings: Settings) -> None:
    # Imported here: `--help` and a refused setting need not load the server.
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


def _worker_beside(settings: Settings) -> AbstractContextManager[None]:
    """Have a worker run beside the gateway, where procrastinate has its work done."""
    if settings.jobs != "procrastinate":
        return nullcontext()
    try:
        from streamzip.worker import beside
    except ImportError as error:
        raise SetupError(
            f"{variable('jobs')}=procrastinate needs procrastinate: install streamzip[cluster] ({error})"
        ) from error
    return beside(settings)
