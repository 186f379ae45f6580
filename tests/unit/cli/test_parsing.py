"""How what is typed becomes values: as typer has it, without what it loads for that."""

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.core import TyperCommand
from typer.testing import CliRunner

from streamzip.cli.parsing import Command


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "b", "--text", "x", "--texts", "1", "--texts", "2", "--number", "3", "--part", "0.5", "--path", "p"],
        ["--number", "0"],
        ["--number", "many"],
        ["--part", "half"],
        ["--flag", "--text", ""],
        ["--text"],
        ["--nonsense"],
    ],
)
def test_values_and_faults_are_those_of_typer(arguments: list[str]) -> None:
    """The same values, or the same sentence and exit status."""
    ways: list[type[TyperCommand]] = [Command, TyperCommand]
    (seen, ended), (as_typer_has_it, as_typer_ends) = [run(arguments, way) for way in ways]
    assert (seen, ended) == (as_typer_has_it, as_typer_ends)


def run(arguments: list[str], way: type[TyperCommand]) -> tuple[list[dict[str, Any]], tuple[int, str]]:
    """Return what a command of that class was called with, and how it ended."""
    seen: list[dict[str, Any]] = []
    app = typer.Typer(rich_markup_mode=None)

    @app.command(cls=way)
    def called(
        names: Annotated[list[str] | None, typer.Argument()] = None,
        text: Annotated[str, typer.Option(envvar="STREAMZIP_TEST_TEXT")] = "default",
        texts: Annotated[list[str] | None, typer.Option()] = None,
        number: Annotated[int, typer.Option(min=1)] = 2,
        part: Annotated[float | None, typer.Option()] = None,
        path: Annotated[Path | None, typer.Option()] = None,
        flag: bool = False,
    ) -> None:
        seen.append(dict(locals()) | {"seen": None})

    ended = CliRunner().invoke(app, arguments, env={"STREAMZIP_TEST_TEXT": "of the environment"})
    return seen, (ended.exit_code, ended.output)
