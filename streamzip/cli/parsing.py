"""Turns what is typed into a command's values.

typer has pydantic do it, which takes longer to load than most commands take: here a text that is asked for stays the
text that it is, and a default is one already. All else is done by typer as ever.
"""

from dataclasses import dataclass
from typing import Any

from typer._coercion import RuntimeParam, build_runtime_param
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption


@dataclass(frozen=True)
class _Given(RuntimeParam):
    def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
        wanted = self.annotation
        # A number or a path is a default then: what is typed comes as a text.
        if isinstance(wanted, type) and isinstance(value, wanted):
            return value
        if wanted == list[str] and isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return list(value)
        return build_runtime_param(param.type_descriptor).coerce(value, param, ctx)


class Command(TyperCommand):
    """A command whose texts are taken as they are."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options."""
        return _as_given(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands whose own options are taken as they are."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options."""
        return _as_given(super().get_params(ctx))


def _as_given(params: list[Any]) -> list[Any]:
    for each in params:
        # typer makes its own, which loads pydantic, where none is there yet.
        if isinstance(each, TyperArgument | TyperOption) and each._runtime_param is None:
            each._runtime_param = _Given(each.type_descriptor.parameter_info, each.type_descriptor.annotation)
    return params
