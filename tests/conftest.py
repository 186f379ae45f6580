"""Which tests run: those whose programs are here, and the slow ones only where they are asked for.

    @pytest.mark.needs("unzip", "7z")   calls these programs; where one is missing: skipped, and named at the end
    @pytest.mark.alone                  is about a gateway by itself: deselected with `--postgresql` and `--cluster`
    @pytest.mark.one_node("reason")     speaks of one node by its nature: deselected with `--cluster`
    @pytest.mark.cluster                is about several gateways of one store: deselected without these two,
                                        unless it is slow
    @pytest.mark.slow                   deselected, unless `--slow` or an `-m` that names slow is given

Under CI=true a missing program fails the test: CI must not pass for want of its tools.
"""

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Generator, Iterable

import pytest
from hypothesis import settings

from tests.support import lookahead, paired, postgresql, seaweedfs, told

# A machine that is busy is no fault of the code: what must be fast is measured where that is the requirement.
settings.register_profile("streamzip", deadline=None)
settings.load_profile("streamzip")

# The name a test asks for, and the program it stands for: what Debian's package of that name puts on the PATH.
PROGRAMS = {
    "nginx": "nginx",
    "unzip": "unzip",
    "7z": "7z",
    "bsdtar": "bsdtar",
    "java": "java",
    "aria2": "aria2c",
    "wget": "wget",
    "curl": "curl",
    "strace": "strace",
    "bash": "bash",
    "zsh": "zsh",
    "fish": "fish",
    "ps": "ps",
    "cmp": "cmp",
    "jq": "jq",
    "chromium": "chromium",
    "postgresql": "initdb",
    "faketime": "faketime",
    "seaweedfs": "weed",
    "azurite": "azurite-blob",
    "systemd-analyze": "systemd-analyze",
}

# Debian keeps servers in /usr/sbin, which a user's PATH may lack, and PostgreSQL in a folder of its version. Some
# programs come from PyPI, into the virtual environment, which need not be active.
_PLACES = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", str(postgresql.find_programs() or "")]
_PLACES += [f"{sys.prefix}/bin", f"{sys.prefix}/azurite/node_modules/.bin"]
SEARCH_PATH = os.pathsep.join(filter(None, _PLACES))

MISSING = "missing program"


def missing_programs(names: Iterable[str], search_path: str = SEARCH_PATH) -> list[str]:
    """Those of the names whose program is not on the path; KeyError for a name that is not in PROGRAMS."""
    return [name for name in names if shutil.which(PROGRAMS[name], path=search_path) is None]


def needed(item: pytest.Item) -> list[str]:
    """The programs the item's marks ask for, each once."""
    return list(dict.fromkeys(name for mark in item.iter_markers("needs") for name in mark.args))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgresql", action="store_true", help="run the gateways on PostgreSQL instead of SQLite")
    parser.addoption("--postgresql-version", type=int, help="run this one of those installed (else Debian's newest)")
    parser.addoption("--cluster", action="store_true", help="run two nodes on PostgreSQL and S3 in a gateway's place")
    parser.addoption(
        "--lookahead", help="parts that gateways fetch ahead: a number, or `random` for each gateway's own"
    )
    parser.addoption("--slow", action="store_true", help="run the slow proofs too (alone: -m slow)")


def pytest_configure(config: pytest.Config) -> None:
    # Tests call nginx by its name; on the workers of xdist too, for each of them configures itself.
    os.environ["PATH"] = SEARCH_PATH
    # Else each of the hundreds of gateways and commands would compile the whole program anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if (version := config.getoption("--postgresql-version")) is not None:
        try:
            postgresql.use(version)
        except LookupError as error:
            raise pytest.UsageError(f"{error}: scripts/test-tools --slow installs 18") from error
    if postgresql.prepare_shared():
        config.add_cleanup(postgresql.end_shared)
    if seaweedfs.prepare_shared():
        config.add_cleanup(seaweedfs.end_shared)
    if config.getoption("--postgresql"):
        postgresql.choose()
    if config.getoption("--cluster"):
        paired.choose()
    if (parts := config.getoption("--lookahead")) is not None:
        lookahead.choose(parts)


def pytest_report_header() -> str:
    return f"PostgreSQL: {postgresql.version()}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for name in needed(item):
            if name not in PROGRAMS:
                raise pytest.UsageError(f"{item.nodeid} needs {name!r}, which tests/conftest.py does not know")
    if postgresql.chosen():
        _leave_out("alone", config, items)
    else:
        _leave_out("cluster", config, items, but="slow")
    if paired.chosen():
        _leave_out("one_node", config, items)
    if config.getoption("--slow") or "slow" in config.getoption("-m"):
        return
    _leave_out("slow", config, items)


def _leave_out(mark: str, config: pytest.Config, items: list[pytest.Item], *, but: str = "") -> None:
    """Deselect the tests of that mark, unless they have the other one, too."""
    if marked := [item for item in items if item.get_closest_marker(mark) and not item.get_closest_marker(but)]:
        config.hook.pytest_deselected(items=marked)
        gone = set(marked)
        items[:] = [item for item in items if item not in gone]


@pytest.hookimpl(tryfirst=True)  # before the fixtures, some of which start the programs
def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = missing_programs(needed(item))
    if not missing:
        return
    # A property of the report, because with xdist the summary is written by another process than the test's.
    item.user_properties.extend((MISSING, name) for name in missing)
    reason = f"not installed: {', '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; with CI=true that is a failure", pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.extend(told.sections())
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    tests: defaultdict[str, list[str]] = defaultdict(list)
    for outcome in ("skipped", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            for key, value in getattr(report, "user_properties", ()):  # a failed collection has none
                if key == MISSING:
                    tests[str(value)].append(report.nodeid)
    if not tests:
        return
    terminalreporter.section("not tested: programs are missing", yellow=True)
    for name, nodeids in sorted(tests.items()):
        terminalreporter.write_line(f"{name}:")
        for nodeid in nodeids:
            terminalreporter.write_line(f"    {nodeid}")
    terminalreporter.write_line("To install them on Debian: make test-tools")
