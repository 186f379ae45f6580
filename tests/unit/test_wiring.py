"""Parts are wired once, when they are made: nobody hangs a callable onto another part afterwards."""

import ast
import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import streamzip
from streamzip.app import made
from streamzip.config import Settings
from streamzip.process.descriptors import shared_out

PACKAGE = Path(streamzip.__file__).parent
PEM = Path(__file__).parent / "net" / "localhost.pem"
MADE_IN = {"__init__", "__new__", "__post_init__"}


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package, by its path."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield str(path.relative_to(PACKAGE)), ast.parse(path.read_text("utf-8"))


def targets(statement: ast.AST) -> list[ast.Attribute]:
    """The attributes that a statement assigns to."""
    if isinstance(statement, ast.Assign):
        return [target for target in statement.targets if isinstance(target, ast.Attribute)]
    if isinstance(statement, ast.AnnAssign | ast.AugAssign) and isinstance(statement.target, ast.Attribute):
        return [statement.target]
    return []


def callables(tree: ast.Module) -> set[str]:
    """Names of attributes that hold a callable: annotated as one, or set from a parameter that is."""
    found: set[str] = set()
    for each in ast.walk(tree):
        if isinstance(each, ast.AnnAssign) and "Callable[" in ast.unparse(each.annotation):
            found |= {target.attr for target in targets(each)}
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            arguments = [*each.args.args, *each.args.kwonlyargs]
            given = {a.arg for a in arguments if a.annotation and "Callable[" in ast.unparse(a.annotation)}
            for statement in ast.walk(each):
                if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name):
                    found |= {target.attr for target in targets(statement) if statement.value.id in given}
    return found


def patches(tree: ast.Module, names: set[str]) -> Iterator[str]:
    """Assignments to a callable attribute anywhere but where its own object is made, and lambdas that wait for one."""
    made = {
        id(statement)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name in MADE_IN
        for statement in ast.walk(function)
    }
    for statement in ast.walk(tree):
        for target in targets(statement):
            own = isinstance(target.value, ast.Name) and target.value.id == "self"
            if (target.attr in names or target.attr.startswith("on_")) and not (own and id(statement) in made):
                yield f"{statement.lineno}: {ast.unparse(target)} is set after it was made"  # type: ignore[attr-defined]
            value = getattr(statement, "value", None)
            if own and isinstance(value, ast.Lambda):
                yield f"{value.lineno}: {ast.unparse(target)} begins as a lambda"


def test_no_callable_attribute_is_set_after_its_object_was_made() -> None:
    """Who calls whom stands in constructors, so that imports and app.py show it."""
    every = dict(sources())
    names = set().union(*(callables(tree) for tree in every.values()))
    found = [f"{path}:{patch}" for path, tree in every.items() for patch in patches(tree, names)]
    assert not found, "\n".join(found)


def test_rule_finds_what_it_forbids() -> None:
    """A hook that begins as a lambda, and one that is patched from outside or later."""
    tree = ast.parse(
        "class A:\n"
        "    def __init__(self, told: Callable[[], None]) -> None:\n"
        "        self._told = told\n"
        "        self.on_x: Callable[[], None] = lambda: None\n"
        "    def later(self) -> None:\n"
        "        self._told = print\n"
        "a.on_y = print\n"
    )
    assert [each.partition(":")[0] for each in patches(tree, callables(tree))] == ["7", "4", "6"]


def test_trusted_authorities_are_read_once_for_all_ways_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each of four transports read them for itself: 0.7 MiB and 22 ms for each."""
    read: list[object] = []
    contexts = ssl.create_default_context

    def counted(**given: Any) -> ssl.SSLContext:
        read.append(given)
        return contexts(**given)

    monkeypatch.setattr(ssl, "create_default_context", counted)

    async def start() -> None:
        parts = await made(Settings(data_dir=tmp_path, ca_file=PEM), shared_out(), alone=True)
        await parts.close()

    asyncio.run(start())
    assert len(read) == 1
