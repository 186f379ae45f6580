"""The command line: every setting is a flag, a flag wins, and a start that cannot work says why."""

import os
import signal
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

from streamzip import cli
from streamzip.access.api_keys import ApiKeys
from streamzip.access.keyring import KeyRing
from streamzip.access.signed_links import SignedLinks
from streamzip.cli.commands import command_line
from streamzip.config import Settings, SetupError, variable
from streamzip.errors import Forbidden

Serve = Callable[[Settings], None]


class Gateway:
    """Stands in for streamzip.serving: keeps the settings it was started with, then does what the test says."""

    def __init__(self) -> None:
        self.started: list[Settings] = []
        self.then: Serve = lambda settings: None

    def serve(self, settings: Settings, _beside: object) -> None:
        self.started.append(settings)
        self.then(settings)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    for name in list(os.environ):
        if name.startswith("STREAMZIP_"):
            monkeypatch.delenv(name)
    gateway = Gateway()
    module = ModuleType("streamzip.serving")
    module.serve = gateway.serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "streamzip.serving", module)
    return gateway


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command_line(), arguments, env={"COLUMNS": "250", "TERM": "dumb"})


def test_serve_starts_the_gateway_when_nothing_is_given(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defaults are enough: the data folder is made beneath the current one."""
    monkeypatch.chdir(tmp_path)
    assert run("serve").exit_code == 0
    assert gateway.started == [Settings()]
    assert (tmp_path / "data").is_dir()


def test_serve_prefers_flags_when_the_environment_differs(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flag, then environment, then default."""
    monkeypatch.setenv("STREAMZIP_PORT", "1")
    monkeypatch.setenv("STREAMZIP_MAX_ENTRIES", "7")
    assert run("serve", "--data", str(tmp_path), "--port", "2", "--allow-hosts", "a:80,b:81").exit_code == 0
    (settings,) = gateway.started
    assert (settings.port, settings.max_entries, settings.host) == (2, 7, "127.0.0.1")
    assert settings.allow_hosts == {"a:80", "b:81"}
    assert settings.data_dir == tmp_path


def test_help_names_every_setting_when_it_is_asked_for(gateway: Gateway) -> None:
    """Each setting stands in --help as a flag and as a variable, with its help."""
    output = " ".join(run("serve", "--help").output.split())
    for name, field in Settings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in output
        assert f"env: {variable(name)}" in output
        assert str(field.description).split()[0] in output
    assert "off|x-accel" in output
    assert "default: 8000" in output


def test_serve_names_every_wrong_setting_when_several_are(gateway: Gateway, tmp_path: Path) -> None:
    """A refusal names flag and variable, never the value, and nothing is started."""
    result = run("serve", "--data", str(tmp_path / "d"), "--port", "hunter2", "--workers", "0")
    assert result.exit_code == 2
    assert "--port (STREAMZIP_PORT): Input should be a valid integer" in result.stderr
    assert "--workers (STREAMZIP_WORKERS): Input should be greater than or equal to 1" in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr
    assert gateway.started == []
    assert not (tmp_path / "d").exists()


def test_serve_names_path_and_uid_when_the_data_folder_cannot_be_written(gateway: Gateway, tmp_path: Path) -> None:
    """One sentence, exit 1, no traceback."""
    (tmp_path / "file").write_text("in the way")
    result = run("serve", "--data", str(tmp_path / "file"))
    assert result.exit_code == 1
    assert f"streamzip: cannot write the data folder {tmp_path / 'file'} as uid {os.getuid()}" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert gateway.started == []


def test_serve_warns_when_a_variable_is_no_setting(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt variable is named with the right one, and its value is not shown."""
    monkeypatch.setenv("STREAMZIP_SECRET_KEY", "hunter2")
    result = run("serve", "--data", str(tmp_path))
    assert result.exit_code == 0
    assert "STREAMZIP_SECRET_KEY is no setting (is STREAMZIP_SECRET_KEYS meant?)" in result.stderr
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_with_success_when_it_is_told_to_stop(
    gateway: Gateway, tmp_path: Path, number: signal.Signals
) -> None:
    """uvicorn raises the signal again after it ended in good order: exit 0, no traceback, handlers as before."""
    before = signal.getsignal(signal.SIGTERM)
    gateway.then = lambda settings: signal.raise_signal(number)
    result = run("serve", "--data", str(tmp_path))
    assert (result.exit_code, result.output) == (0, "")
    assert signal.getsignal(signal.SIGTERM) is before


def test_serve_says_why_when_the_gateway_cannot_be_set_up(gateway: Gateway, tmp_path: Path) -> None:
    """What only shows later, as a damaged secret, ends in a sentence too."""

    def fail(settings: Settings) -> None:
        raise SetupError("secret.keys is empty")

    gateway.then = fail
    result = run("serve", "--data", str(tmp_path))
    assert (result.exit_code, result.stderr) == (1, "streamzip: secret.keys is empty\n")


def test_version_is_printed_when_it_is_asked_for() -> None:
    """`streamzip --version` names the version of the package, and needs no command."""
    package = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    result = run("--version")
    assert (result.exit_code, result.output) == (0, f"streamzip {package['version']}\n")


def test_keys_new_prints_a_key_and_its_line_when_it_is_given_a_name() -> None:
    """Two lines for scripts, on their own: the key, and what lets it in."""
    key, line = run("keys", "new", "ann").stdout.splitlines()
    assert ApiKeys.parse(line).name_of(key) == "ann"
    assert run("keys", "new", "a b").exit_code == 2


@pytest.mark.parametrize("link", ["/archive/get/a.zip", "https://zip.example/base/archive/get/a.zip"])
def test_sign_prints_a_link_that_lets_in_when_the_secret_is_there(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    """A path or a URL of the gateway; the base that a proxy takes away is not signed."""
    (tmp_path / "secret.keys").write_text("k1:the first secret")
    monkeypatch.setenv("STREAMZIP_PUBLIC_URL", "https://zip.example/base")
    result = run("sign", link, "--expires", "60", "--data", str(tmp_path))
    base, _, query = result.stdout.strip().partition("?")
    assert base == "https://zip.example/base/archive/get/a.zip"
    links = SignedLinks(KeyRing.parse("k1:the first secret"), lifetime=1)
    links.check("GET", b"/archive/get/a.zip", query.encode(), now=time.time() + 50)
    with pytest.raises(Forbidden):
        links.check("GET", b"/archive/get/a.zip", query.encode(), now=time.time() + 70)


@pytest.mark.parametrize("link", ["archive/get/a.zip", "/a.zip?x=1", "/a b.zip", "/\u00e4.zip", "https://zip.example"])
def test_sign_refuses_what_is_no_path(gateway: Gateway, tmp_path: Path, link: str) -> None:
    """A link that would never let in is not printed."""
    (tmp_path / "secret.keys").write_text("k1:the first secret")
    result = run("sign", link, "--expires", "60", "--data", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")


def test_sign_makes_no_secret_of_its_own(gateway: Gateway, tmp_path: Path) -> None:
    """In a folder that is not the gateway's, it says so."""
    result = run("sign", "/archive/get/a.zip", "--expires", "60", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert "name the gateway's data folder" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_the_command_loads_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 130, as everywhere else; on a busy machine the loading takes as long as a person's second thought."""

    def stopped(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streamzip.cli.commands.command_line", stopped)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
