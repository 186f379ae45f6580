"""The documentation says what the code does: every setting, problem code and route stands in it, and nothing else.

Codes are read from the source, so that one that no test provokes is found too.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from streamzip import errors
from streamzip.cli.commands import command_line
from streamzip.cli.flags import flags_of
from streamzip.config import Settings, variable, variables
from streamzip.edge.problems import _CODES
from streamzip.manifest.parse import Limits, parse_create
from streamzip.manifest.requests import CreateBody, EntryBody
from streamzip.origins.kinds import TOLD
from streamzip.store.states import UNBUILDABLE
from streamzip.store.tables import metadata
from tests.support.operations_table import page, table
from tests.support.routes import routes

ROOT = Path(__file__).parent.parent.parent
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PACKAGE = ROOT / "streamzip"
# The client and the command line read a gateway's codes, and raise none.
SOURCES = sorted(
    path for path in PACKAGE.glob("**/*.py") if path.relative_to(PACKAGE).parts[0] not in ("client", "cli")
)
LIBRARY = [path for path in SOURCES if path.parent.name == "library"]
GATEWAY = [path for path in SOURCES if path not in LIBRARY]


_CODE = re.compile(r"_?[a-z]+(?:_[a-z0-9]+)*")


def text(name: str) -> str:
    """A page of the documentation."""
    return (ROOT / name).read_text()


def first_column(page: str, heading: str) -> list[str]:
    """The backticked words that begin the rows of the tables under a heading."""
    _, found, below = page.partition(f"\n## {heading}\n")
    assert found, f"there is no heading {heading!r}"
    return re.findall(r"^\| `([^`]+)` \|", below.partition("\n## ")[0], re.MULTILINE)


def calls(sources: Iterable[Path] = GATEWAY) -> Iterator[tuple[ast.Module, ast.Call]]:
    """Every call in the source, with its module."""
    for path in sources:
        module = ast.parse(path.read_text())
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                yield module, node


def constants(module: ast.Module) -> dict[str, str]:
    """The module's own names for strings."""
    return {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def codes_in(expression: ast.expr, names: dict[str, str]) -> Iterator[str]:
    """The codes that an expression may have for its value; `http_NNN` stands for those made of a status."""
    for node in ast.walk(expression):
        if isinstance(node, ast.JoinedStr):
            yield "http_NNN"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
            yield node.value
        elif isinstance(node, ast.Name) and node.id in names:
            yield names[node.id]


def called(call: ast.Call) -> str:
    """The name of what is called."""
    return call.func.id if isinstance(call.func, ast.Name) else ""


def entry_codes(sources: Iterable[Path] = GATEWAY) -> set[str]:
    """The codes of OriginError."""
    found: set[str] = set()
    for module, call in calls(sources):
        if called(call) == "OriginError":
            found.update(code for code in codes_in(call.args[0], constants(module)) if code != "http_")
    return found


def subclasses(kind: type[errors.Problem]) -> Iterator[type[errors.Problem]]:
    """A class and all beneath it."""
    yield kind
    for inner in kind.__subclasses__():
        yield from subclasses(inner)


def problem_codes() -> set[str]:
    """The codes of problem documents: of the classes, of `code=` at a raise, and of the responses made by hand."""
    found = {kind.code for kind in subclasses(errors.Problem)} | set(_CODES.values())
    for module, call in calls():
        names = constants(module)
        if called(call) == "ProblemResponse":
            found.update(codes_in(call.args[1], names))
        elif called(call) != "event":
            for keyword in call.keywords:
                if keyword.arg == "code":
                    found.update(codes_in(keyword.value, names))
    return found | TOLD | UNBUILDABLE


def events() -> set[str]:
    """The names of what is logged with `event(logger, level, name, …)`."""
    found: set[str] = set()
    for module, call in calls():
        if called(call) == "event":
            found.update(codes_in(call.args[2], constants(module)))
    return found


def setting_rows() -> list[str]:
    """The table of settings, as docs/configuration.md must have it."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = ",".join(map(str, default)) if isinstance(default, tuple | frozenset) else default
        flags = " ".join(f"`{flag}`" for flag in flags_of(name))
        value = "" if shown in (None, "") else f"`{_plain(name, shown)}`"
        description = (field.description or "").replace("|", "\\|")
        rows.append(f"| `{variable(name)}` | {flags} | {value} | {description} |")
    return rows


def _plain(name: str, value: Any) -> str:
    if name.endswith("_bytes"):
        return cast(str, value.human_readable()).replace(".0", "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def headed_routes() -> set[str]:
    """Return every route, as its heading in docs/http-api.md has it."""
    return {f"{' | '.join(sorted(route.methods or ()))} {route.path}" for route in routes()}


def test_configuration_page_has_every_setting_as_the_model_declares_it() -> None:
    """A setting's name, flags, default and help are in docs/configuration.md, in the model's order, and no others."""
    rows = re.findall(r"^\| `STREAMZIP_.*$", text("docs/configuration.md"), re.MULTILINE)
    assert rows == setting_rows(), "the table is to read:\n" + "\n".join(setting_rows())


def test_configuration_page_says_more_of_every_setting() -> None:
    """Beneath the table each setting has a paragraph of its own, which begins with its name."""
    notes = re.findall(r"^\*\*`(STREAMZIP_\w+)`\*\*", text("docs/configuration.md"), re.MULTILINE)
    assert notes == [variable(name) for name in Settings.model_fields]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documentation_names_no_setting_that_is_none(path: Path) -> None:
    """A STREAMZIP_ variable in a page is a setting, or says where the benchmarks find a program."""
    named = set(re.findall(r"STREAMZIP_[A-Z_]*[A-Z]", path.read_text()))
    ours = {name for name in named if not name.startswith("STREAMZIP_BENCH_")}
    assert ours <= variables()
    assert all(name in text("benchmarks/servers/peers.py") for name in named - ours)


def test_http_page_has_every_problem_code() -> None:
    """The table of problem codes in docs/http-api.md holds those of the source, once each."""
    documented = first_column(text("docs/http-api.md"), "Problems")
    assert sorted(documented) == sorted(problem_codes())


def test_http_page_has_every_entry_code() -> None:
    """The table of entries' error codes in docs/http-api.md holds those of the source, once each."""
    documented = first_column(text("docs/http-api.md"), "Entries that cannot be had")
    assert sorted(documented) == sorted(entry_codes())


def test_library_page_has_every_code_of_its_own() -> None:
    """Codes that only the library gives stand in docs/library.md; those of origins are the gateway's."""
    documented = first_column(text("docs/library.md"), "Codes of entries")
    assert sorted(documented) == sorted(entry_codes(LIBRARY) - entry_codes())


def test_operations_page_says_what_to_do_about_every_code() -> None:
    """The operator finds each code of a problem or an entry in docs/operations.md."""
    documented = first_column(text("docs/operations.md"), "What each code means, and what to do")
    assert sorted(documented) == sorted(problem_codes() | entry_codes())


def test_operations_page_has_every_event() -> None:
    """The operator finds what each line of the log means."""
    documented = first_column(text("docs/operations.md"), "Health and logs")
    assert sorted(documented) == sorted(events())


def test_operations_page_says_what_deletes_the_rows_of_every_table() -> None:
    """Whoever asks what grows finds each table, and none that is not there."""
    section = text("docs/operations.md").partition("\n### The store's size\n")[2].partition("\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert named == metadata.tables.keys() | {"schema"}


def test_command_line_page_has_every_command() -> None:
    """Each command has a heading, and each such heading a command."""
    whole = command_line()
    groups = [("", whole), *((f"{group.name} ", group.typer_instance) for group in whole.registered_groups)]
    commands = [
        f"streamzip {prefix}{command.name or command.callback.__name__}"
        for prefix, app in groups
        if app is not None
        for command in app.registered_commands
        if command.callback is not None
    ]
    headings = re.findall(r"^### `(.*)`$", text("docs/command-line.md"), re.MULTILINE)
    assert sorted(headings) == sorted(commands)


def test_http_page_has_every_route() -> None:
    """Each route has a heading with its methods and path, and each such heading a route."""
    headings = re.findall(r"^### `((?:[A-Z]+ \| )*[A-Z]+ /.*)`$", text("docs/http-api.md"), re.MULTILINE)
    assert sorted(headings) == sorted(headed_routes())


def test_http_page_has_the_table_of_operations() -> None:
    """What stands there is what the code is made of: `make docs` writes it anew."""
    assert page(text("docs/http-api.md")) == text("docs/http-api.md")
    assert table() in text("docs/http-api.md")


def test_http_page_has_every_key_of_create() -> None:
    """The keys that create knows are those of the two tables under its heading."""
    _, _, below = text("docs/http-api.md").partition("\n### `POST /api/archive/create`\n")
    section = below.partition("\n### ")[0]
    documented = set(re.findall(r"^\| `([a-z0-9_]+)` \|", section, re.MULTILINE))
    assert documented == {*CreateBody.model_fields, *EntryBody.model_fields}


def test_example_body_is_one_that_create_takes() -> None:
    """examples/archive.json is accepted as it is, with nothing renamed."""
    request = parse_create((ROOT / "examples/archive.json").read_bytes(), Limits(max_entries=100))
    assert request.manifest.entries
    assert not request.renamed


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documentation_links_lead_somewhere(path: Path) -> None:
    """A relative link in a page leads to a file, and its fragment to a heading of it."""
    page = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", page):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), target
        if fragment:
            assert fragment in _anchors(file.read_text()), target


def _anchors(page: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_walks_name_as_many_modules_as_they_say_and_each_is_there() -> None:
    """A module that was moved or renamed is found in docs/architecture.md's walks, and their numbers are right."""
    page = text("docs/architecture.md").partition("## Four walks")[2].partition("\n## ")[0]
    walks = re.findall(r"^\*\*(.+?)\*\* \((\d+)\)\.(.*?)(?=^\*\*|\Z)", page, re.MULTILINE | re.DOTALL)
    assert len(walks) == 4
    for name, count, told in walks:
        modules = set(re.findall(r"`([a-z_]+/[a-z_]+\.py)`", told))
        assert [module for module in modules if not (PACKAGE / module).is_file()] == [], name
        assert len(modules) == int(count), f"{name}: {len(modules)} modules"
