"""Settings: each is read from its variable, checked at the start, and the signing secret is made once."""

import multiprocessing
import os
import re
import stat
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streamzip.config import Settings, SetupError, variable
from streamzip.data_folder import load_key_ring_text, prepare_data_dir
from streamzip.settings_checks import unknown_variables


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("STREAMZIP_"):
            monkeypatch.delenv(name)


def settings(**given: Any) -> Settings:
    return Settings(**given)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "0", 0),
        ("data_dir", "/srv/zips", Path("/srv/zips")),
        ("allow_hosts", " Files.Internal:8080, [FD00::1]:443 ,", frozenset({"files.internal:8080", "[fd00::1]:443"})),
        ("allow_networks", "10.0.0.0/8,fd00::/8", (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))),
        ("trusted_proxies", "192.0.2.7", (ip_network("192.0.2.7/32"),)),
        ("trusted_proxies", "::ffff:192.0.2.0/120", (ip_network("192.0.2.0/24"),)),
        ("allowed_hosts", "Zip.Example., a-b", frozenset({"zip.example", "a-b"})),
        ("allowed_hosts", "*", frozenset({"*"})),
        ("cache_max_bytes", "5GiB", 5 << 30),
        ("cache_max_bytes", "0", 0),
        ("max_body_bytes", "1048576", 1 << 20),
        ("cors_origins", "https://a.example, http://[::1]:3000", ("https://a.example", "http://[::1]:3000")),
        ("cors_origins", "*", ("*",)),
        ("public_url", "https://zip.example/base/", "https://zip.example/base"),
        ("public_url", "", None),
        ("log_level", "DEBUG", "debug"),
        ("probe_wait", "2.5", 2.5),
    ],
)
def test_settings_read_a_variable_when_it_is_set(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    """A variable's text becomes the value it stands for; an empty one counts as not set."""
    monkeypatch.setenv(variable(name), text)
    assert getattr(settings(), name) == value


def test_zipstreamers_variables_stand_for_settings_where_its_interface_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever switches keeps the environment; what is set by its own name wins, and by default they mean nothing."""
    monkeypatch.setenv("PORT", "4008")
    monkeypatch.setenv("ZS_URL_PREFIX", "https://files.example/")
    monkeypatch.setenv("ZS_LISTFILE_URL_PREFIX", "https://lists.example/")
    monkeypatch.setenv("ZS_COMPRESSION", "DEFLATE")
    off = settings()
    assert (off.port, off.compat_url_prefix, off.compat_list_prefix, off.compat_compression) == (
        8000,
        "",
        None,
        "store",
    )
    monkeypatch.setenv(variable("compat"), "Zipstreamer")
    on = settings()
    assert (on.port, on.compat_url_prefix, on.compat_compression) == (4008, "https://files.example/", "deflate")
    assert on.compat_list_prefix == "https://lists.example/"
    monkeypatch.setenv(variable("port"), "9000")
    assert settings().port == 9000


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"compat": "mod_zip"}, "needs STREAMZIP_UPSTREAM"),
        ({"compat": "modzip"}, "zipstreamer"),
        ({"upstream": "http://app:8000/path"}, "scheme and host"),
        ({"compat_list_prefix": "https://lists.example"}, "with a path"),
    ],
)
def test_settings_of_other_programs_interfaces_are_checked_at_the_start(given: dict[str, str], why: str) -> None:
    """A prefix without a path would let an id choose the host."""
    with pytest.raises(ValidationError, match=why):
        settings(**given)


def test_settings_prefer_what_was_given_when_a_variable_is_set_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag wins over the environment."""
    monkeypatch.setenv("STREAMZIP_PORT", "1")
    assert settings(port="2").port == 2


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("port", "65536", "less than or equal to 65535"),
        ("port", "tcp://10.0.0.1:8000", "valid integer"),
        ("workers", "0", "greater than or equal to 1"),
        ("allow_hosts", "http://files.internal:80", "exact host:port"),
        ("allow_hosts", "files.internal", "exact host:port"),
        ("allow_hosts", "*.internal:80", "exact host:port"),
        ("allow_hosts", "a:0", "exact host:port"),
        ("allow_networks", "10.0.0.1/8", "host bits"),
        ("cors_origins", "a.example", "not an origin"),
        ("cors_origins", "https://a.example/", "not an origin"),
        ("cors_origins", "https://*.a.example", "not an origin"),
        ("cors_origins", "https://A.example", "not an origin"),
        ("cors_origins", "https://a.example:443", "not an origin"),
        ("trusted_proxies", "everyone", "IPv4 or IPv6"),
        ("allowed_hosts", "zip.example:8000", "without a port"),
        ("allowed_hosts", "*.zip.example", "without a port"),
        ("public_url", "zip.example", "absolute http"),
        ("public_url", "https://user:pw@zip.example", "without credentials"),
        ("public_url", "https://zip.example/?a=b", "without credentials, query"),
        ("cache_max_bytes", "much", "byte string"),
        ("sendfile", "on", "'off' or 'x-accel'"),
        ("prefetch", "yes", "'off', 'urls' or 'all'"),
        ("log_level", "loud", "'off'"),
        ("ca_file", "/nowhere/ca.pem", "not point to a file"),
        ("probe_wait", "inf", "finite"),
        ("connect_timeout", "0", "greater than 0"),
        ("lookahead", "0", "greater than or equal to 1"),
    ],
)
def test_settings_refuse_when_a_value_is_wrong(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, reason: str
) -> None:
    """A wrong value is refused at the start, under its own name and with the reason."""
    monkeypatch.setenv(variable(name), text)
    with pytest.raises(ValidationError) as caught:
        settings()
    (error,) = caught.value.errors()
    assert error["loc"][0] == name
    assert reason in error["msg"]


def test_settings_hide_the_secret_when_they_are_printed() -> None:
    """Neither a repr of the settings nor a refusal shows a secret."""
    assert "hunter2" not in repr(settings(secret_keys="k1:hunter2"))
    with pytest.raises(ValidationError) as caught:
        settings(port="k1:hunter2")
    assert "hunter2" not in str(caught.value)


def test_settings_explain_themselves_when_they_are_documented() -> None:
    """Every setting has a sentence of help."""
    assert [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")] == []


def test_unknown_variables_names_the_right_one_when_a_name_is_misspelt() -> None:
    """A variable that looks like a setting and is none is found; other programs' variables are not."""
    given = ["STREAMZIP_DATADIR", "STREAMZIP_ZZZZZZ", "STREAMZIP_PORT", "streamzip_port", "PATH"]
    assert unknown_variables(given) == {"STREAMZIP_DATADIR": "STREAMZIP_DATA_DIR", "STREAMZIP_ZZZZZZ": None}


def test_prepare_makes_a_private_folder_when_there_is_none(tmp_path: Path) -> None:
    """The data folder is its owner's alone; only it is left, no test file."""
    path = tmp_path / "new"
    prepare_data_dir(settings(data_dir=path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert list(path.iterdir()) == []


def test_prepare_leaves_the_mode_when_the_folder_exists(tmp_path: Path) -> None:
    """An operator who opened the folder to nginx is not overruled."""
    tmp_path.chmod(0o750)
    prepare_data_dir(settings(data_dir=tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_prepare_names_path_and_uid_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    """The message says which folder, for whom, and what to do."""
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "data"
    with pytest.raises(SetupError, match=rf"{re.escape(str(path))} as uid {os.getuid()}: .*--data"):
        prepare_data_dir(settings(data_dir=path))


def test_key_ring_comes_from_the_setting_when_it_is_given(tmp_path: Path) -> None:
    """Given secrets are used as they are, and nothing is written."""
    assert load_key_ring_text(settings(data_dir=tmp_path, secret_keys="b:2,a:1")) == "b:2,a:1"
    assert list(tmp_path.iterdir()) == []


def test_key_ring_is_made_once_when_none_is_given(tmp_path: Path) -> None:
    """The first start makes a secret that only its owner reads; every later one finds the same, and no debris."""
    text = load_key_ring_text(settings(data_dir=tmp_path))
    assert re.fullmatch(r"k[0-9a-f]{8}:[0-9a-f]{64}", text)
    assert load_key_ring_text(settings(data_dir=tmp_path)) == text
    (file,) = tmp_path.iterdir()
    assert file.name == "secret.keys"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_key_ring_differs_when_the_data_folder_does(tmp_path: Path) -> None:
    """Two gateways never share a generated secret."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    first, second = (load_key_ring_text(settings(data_dir=folder)) for folder in folders)
    assert first.split(":")[1] != second.split(":")[1]


def _load_at_once(folder: Path, barrier: Any, texts: Any) -> None:
    barrier.wait()
    texts.put(load_key_ring_text(settings(data_dir=folder)))


def test_key_ring_is_the_same_for_all_when_processes_start_at_once(tmp_path: Path) -> None:
    """Of processes that all find no secret one makes it, and every one of them signs with that."""
    context = multiprocessing.get_context("spawn")
    barrier, texts = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_load_at_once, args=(tmp_path, barrier, texts)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {texts.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert found == {(tmp_path / "secret.keys").read_text().strip()}
    assert [path.name for path in tmp_path.iterdir()] == ["secret.keys"]


def test_key_ring_yields_to_the_winner_when_another_made_it_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that saw no secret, and comes second with its own, takes the first one's."""
    (tmp_path / "secret.keys").write_text("k1:winner\n")
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert load_key_ring_text(settings(data_dir=tmp_path)) == "k1:winner"
    assert [path.name for path in tmp_path.iterdir()] == ["secret.keys"]


def test_key_ring_is_on_disk_before_it_is_used_when_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is fsynced before it gets its name, and the folder after: a power cut cannot take a secret in use."""
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def note_fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_link(source: Path, target: Path) -> None:
        steps.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "link", note_link)
    load_key_ring_text(settings(data_dir=tmp_path))
    assert steps == ["file", "link", "folder"]


@pytest.mark.parametrize("content", [b"", b" \n", b"k1:\xff"])
def test_key_ring_refuses_when_its_file_is_damaged(tmp_path: Path, content: bytes) -> None:
    """A secret that was lost is not silently replaced: every link given out would die."""
    (tmp_path / "secret.keys").write_bytes(content)
    with pytest.raises(SetupError, match=r"secret\.keys"):
        load_key_ring_text(settings(data_dir=tmp_path))
    assert (tmp_path / "secret.keys").read_bytes() == content


def test_settings_are_read_from_a_file_below_variables_and_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag wins over a variable, that over the file, that over the default."""
    file = tmp_path / "streamzip.toml"
    file.write_text(
        'port = 1\nworkers = 2\nprobe_wait = 2.5\ncache_max_bytes = "5GiB"\nallow_hosts = ["A.example:80"]\n'
    )
    monkeypatch.setenv("STREAMZIP_CONFIG", str(file))
    monkeypatch.setenv("STREAMZIP_WORKERS", "3")
    monkeypatch.setenv("STREAMZIP_PROBE_WAIT", "")
    read = settings(port="4")
    assert (read.port, read.workers, read.probe_wait) == (4, 3, 2.5)
    assert (read.cache_max_bytes, read.allow_hosts) == (5 << 30, frozenset({"a.example:80"}))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('cache-max-byte = "5GiB"', "'cache-max-byte' is no setting; is 'cache_max_bytes' meant?"),
        ('config = "other.toml"', "'config' is no setting"),
        ("port = = 1", "is no TOML: .*line 1"),
        ("[server]\nport = 1", "'server' is no setting"),
    ],
)
def test_settings_file_that_is_wrong_is_refused_and_says_where(tmp_path: Path, text: str, sentence: str) -> None:
    """A typing error is no setting that nobody reads."""
    file = tmp_path / "streamzip.toml"
    file.write_text(text)
    with pytest.raises(SetupError, match=f"{re.escape(str(file))}.*{sentence}"):
        settings(config=str(file))


def test_settings_file_with_a_wrong_value_names_the_setting(tmp_path: Path) -> None:
    """In the words of a wrong variable."""
    file = tmp_path / "streamzip.toml"
    file.write_text("port = 70000")
    with pytest.raises(ValidationError) as refused:
        settings(config=str(file))
    assert refused.value.errors()[0]["loc"] == ("port",)


def test_settings_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, no text, or a device that never ends."""
    (tmp_path / "binary").write_bytes(b"\xff")
    for path in (tmp_path / "missing", tmp_path, tmp_path / "binary", Path("/dev/zero")):
        with pytest.raises(SetupError, match=re.escape(str(path))):
            settings(config=str(path))


def test_secret_is_read_from_the_file_that_its_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers and systemd hand secrets over; the end of its line is no part of it."""
    file = tmp_path / "keys"
    file.write_text("alice:" + "a" * 64 + "\n")
    monkeypatch.setenv("STREAMZIP_API_KEYS_FILE", str(file))
    read = settings()
    assert read.api_keys is not None
    assert read.api_keys.get_secret_value() == "alice:" + "a" * 64
    assert unknown_variables(["STREAMZIP_API_KEYS_FILE", "STREAMZIP_PORT_FILE"]) == {
        "STREAMZIP_PORT_FILE": "STREAMZIP_PORT"
    }
    monkeypatch.setenv("STREAMZIP_API_KEYS", "bob:" + "b" * 64)
    with pytest.raises(SetupError, match="STREAMZIP_API_KEYS and STREAMZIP_API_KEYS_FILE are both set"):
        settings()
    monkeypatch.delenv("STREAMZIP_API_KEYS")
    file.unlink()
    with pytest.raises(SetupError, match=re.escape(str(file))):
        settings()
