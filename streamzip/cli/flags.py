"""The settings as flags, and as commands read them.

Imported by what needs settings, when it does: their model takes longer to load than all else of most commands.
"""

import inspect
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from streamzip.cli.ending import FAILED, WRONG_USAGE, stop
from streamzip.config import Settings, SetupError, variable


@cache
def options() -> list[Any]:
    """Return an option for each setting; its value is a text, or None where it is not given.

    Texts, because the model parses flags as it parses the environment: one grammar, one set of error messages.
    """

    def flagged(**_flags: str | None) -> None:
        """Stand for a command that has these flags: typer makes options of its signature."""

    parameters = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    flagged.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flagged.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    app = typer.Typer(add_completion=False)
    app.command()(flagged)
    return typer.main.get_command(app).params


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    default = _shown(field.get_default(call_default_factory=True))
    note = f"default: {default}; env: {variable(name)}" if default else f"env: {variable(name)}"
    option = typer.Option(*flags_of(name), help=f"{field.description} ({note})", metavar=_metavar(field))
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[str | None, option])


def _shown(default: Any) -> str:
    """Return a default as one would type it; nothing for None and for an empty list."""
    if isinstance(default, tuple | frozenset):
        return ",".join(str(part) for part in default)
    return "" if default is None else str(default)


def _metavar(field: FieldInfo) -> str:
    return "|".join(get_args(field.annotation)) if get_origin(field.annotation) is Literal else "VALUE"


def flags_of(name: str) -> list[str]:
    """Return the flags of a setting: its name, and a shorter one where config.py gives it (`--data-dir`, `--data`)."""
    extra = Settings.model_fields[name].json_schema_extra
    short = [str(extra["flag"])] if isinstance(extra, dict) and "flag" in extra else []
    return [f"--{name.replace('_', '-')}", *short]


def settings_with(**flags: str | None) -> Settings:
    """Return the settings, where a flag that is given wins. Wrong ones end the command."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings.given(given)
    except ValidationError as error:
        stop(_explained(error), code=WRONG_USAGE)
    except SetupError as error:
        stop(str(error), code=FAILED)


def _explained(error: ValidationError) -> str:
    """Name each wrong setting by both its names; never by its value, which may be a secret."""
    faults = []
    for details in error.errors(include_url=False, include_input=False):
        name = str(details["loc"][0])
        reason = details["ctx"]["error"] if details["type"] == "value_error" else details["msg"]
        faults.append(f"{flags_of(name)[0]} ({variable(name)}): {reason}")
    return "; ".join(faults)
