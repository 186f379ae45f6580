"""The rules of tests/conftest.py itself: a proof that is silently left out proves nothing."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SETTINGS = """
    [pytest]
    asyncio_default_fixture_loop_scope = function
    markers =
        slow: takes minutes
        needs(*tools): calls programs
"""
TESTS = """
    import pytest

    @pytest.mark.needs("unzip")
    def test_unzips():
        pass

    @pytest.mark.slow
    def test_takes_minutes():
        pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite of two tests on a machine that has no unzip."""
    conftest = CONFTEST.read_text().replace('"unzip": "unzip"', '"unzip": "a-program-nobody-has"')
    pytester.makeconftest(conftest)
    pytester.makeini(SETTINGS)
    pytester.makepyfile(TESTS)
    monkeypatch.delenv("CI", raising=False)
    return pytester


@pytest.mark.parametrize("arguments", [[], ["-n", "1"]], ids=["one process", "xdist"])
def test_needs_skips_and_names_program_test_and_command_when_program_is_missing(
    suite: pytest.Pytester, arguments: list[str]
) -> None:
    """Outside CI a missing program costs its tests alone, and the end says which and how to get it."""
    result = suite.runpytest_subprocess(*arguments)
    assert result.parseoutcomes()["skipped"] == 1
    result.stdout.fnmatch_lines(["unzip:", "*::test_unzips", "*make test-tools"])
    assert result.ret == 0


def test_needs_fails_when_program_is_missing_under_ci(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI=true a test that could not run is a failure, never a skip."""
    monkeypatch.setenv("CI", "true")
    result = suite.runpytest()
    assert result.ret == 1
    assert "skipped" not in result.parseoutcomes()
    result.stdout.fnmatch_lines(["*not installed: unzip*", "*make test-tools"])


def test_needs_refuses_a_program_nobody_mapped(suite: pytest.Pytester) -> None:
    """A misspelt name stops the run: it would otherwise skip its test for ever."""
    suite.makepyfile(test_misspelt='import pytest\n\n@pytest.mark.needs("unzp")\ndef test_a():\n    pass\n')
    result = suite.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*needs 'unzp'*"])


def test_postgresql_version_refuses_one_that_is_not_installed(suite: pytest.Pytester) -> None:
    """A proof on another server than the one that was asked for proves nothing."""
    result = suite.runpytest_subprocess("--postgresql-version", "7")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*PostgreSQL 7 is not installed: scripts/test-tools --slow*"])


@pytest.mark.parametrize("arguments", [["--slow"], ["-m", "slow"]], ids=" ".join)
def test_slow_runs_when_asked_for(suite: pytest.Pytester, arguments: list[str]) -> None:
    """Slow proofs run under --slow and under -m slow."""
    assert suite.runpytest(*arguments).parseoutcomes()["passed"] == 1


def test_slow_is_deselected_when_nobody_asks(suite: pytest.Pytester) -> None:
    """Bare pytest stays quick: it says how many proofs it left out."""
    suite.runpytest().assert_outcomes(skipped=1, deselected=1)
