"""`streamzip create -i`, `status`, `watch`, `get`, `list` and `rm` against a running gateway, as a shell runs them."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from streamzip.access.api_keys import new_key
from streamzip.access.keyring import KeyRing
from streamzip.access.signed_links import SignedLinks
from streamzip.api.answers import ArchiveCreated, ArchivePage, ArchiveStatus
from streamzip.cli.commands import command_line
from streamzip.cli.documents import Downloaded, Removed
from tests.support.fixtures import Launch
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin, Pattern

KEY, LINE = new_key("ann")
# What --json prints is what the interface, or the command line, says of itself.
CREATED, STATUS, ARCHIVES = (TypeAdapter(each) for each in (ArchiveCreated, ArchiveStatus, ArchivePage))
DOWNLOADED, REMOVED = TypeAdapter(Downloaded), TypeAdapter(Removed)


def run(
    *arguments: str, server: str, folder: Path | None = None, given: str | None = None, key: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMZIP_", "SZ_"))}
    environment |= {"STREAMZIP_SERVER": server} | ({} if key is None else {"STREAMZIP_KEY": key})
    command = [str(COMMAND), *arguments]
    return subprocess.run(
        command, env=environment, cwd=folder, input=given, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_list_is_piped_in_and_its_archive_downloaded(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """The two commands a person needs; what stands on stdout is the next one's argument."""
    for name in ("a", "b"):
        origin.serve(f"/remote/{name}", File(name.encode()))
    listing = f"{origin.url('/remote/a')}\tfirst.txt\n{origin.url('/remote/b')}\n"
    created = run("create", "-i", "-", "--filename", "two.zip", server=gateway.base, given=listing)
    assert (created.returncode, created.stderr) == (0, "")
    got = run("get", created.stdout.strip(), server="http://127.0.0.1:9", folder=tmp_path)
    assert (got.returncode, got.stdout, got.stderr) == (0, "two.zip\n", "")
    again = run("get", created.stdout.strip(), "--force", "--json", server="http://127.0.0.1:9", folder=tmp_path)
    downloaded = DOWNLOADED.validate_json(again.stdout, extra="forbid")
    assert (downloaded["path"], downloaded["entries"], downloaded["left_out"]) == ("two.zip", 2, 0)
    with zipfile.ZipFile(tmp_path / "two.zip") as archive:
        assert archive.namelist() == ["first.txt", "b"]


def test_status_and_watch_say_what_was_left_out_by_exit_status(
    gateway: Gateway, origin: Origin, tmp_path: Path
) -> None:
    """3: done, and some entries were left out; the sentence says which and why. With --json: documents alone."""
    origin.serve("/remote/there", File(b"x"))
    link = gateway.create(urls=[origin.url("/remote/there"), origin.url("/remote/none")])["url"]
    gateway.client.get(link)
    done = run("status", link, server=gateway.base)
    assert done.returncode == 3
    assert done.stdout.splitlines()[0] == "completed"
    assert "left out: none: the origin answered 404" in done.stdout
    watched = run("watch", link, "--json", server=gateway.base)
    documents = [json.loads(line) for line in watched.stdout.splitlines()]
    assert (watched.returncode, documents[-1]["status"], watched.stderr) == (3, "completed", "")
    told = run("status", link, "--json", server=gateway.base).stdout
    for document in (*documents, json.loads(told)):
        STATUS.validate_python(document, extra="forbid")
    assert json.loads(told)["errors"][0]["code"] == "http_404"
    got = run("get", link, "--json", "-o", str(tmp_path / "out.zip"), server=gateway.base)
    downloaded = DOWNLOADED.validate_json(got.stdout, extra="forbid")
    assert (got.returncode, downloaded["entries"], downloaded["left_out"]) == (3, 1, 1)
    silent = run("status", link, "--quiet", server=gateway.base)
    assert (silent.returncode, silent.stdout, silent.stderr) == (3, "", "")


def test_get_stopped_by_ctrl_c_goes_on_the_next_time(launch: Launch, origin: Origin, tmp_path: Path) -> None:
    """Exit 130, no traceback, and only the part is left."""
    gateway = launch()
    origin.serve("/remote/held", File(Pattern(3_000_000), hold_at=2_000_000))
    link = gateway.create(urls=[origin.url("/remote/held")])["url"]
    folder = tmp_path / "downloads"
    folder.mkdir()
    child = subprocess.Popen(
        [str(COMMAND), "get", link, "-o", str(folder / "out.zip")], stderr=subprocess.PIPE, text=True
    )
    origin.until(lambda _: sum(part.stat().st_size for part in folder.glob("*.part")) > 1_000_000)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err == "streamzip: stopped; run it again to go on\n"
    (part,) = folder.iterdir()
    assert part.name.endswith(".part")
    origin.release("/remote/held")
    assert run("get", link, "-o", str(folder / "out.zip"), server=gateway.base).returncode == 0
    with zipfile.ZipFile(folder / "out.zip") as archive:
        assert archive.testzip() is None
    assert [entry.name for entry in folder.iterdir()] == ["out.zip"]
    again = run("get", link, "-o", str(folder / "out.zip"), server=gateway.base)
    assert again.stderr == f"streamzip: {folder / 'out.zip'} exists; use --force to replace it\n"


def test_list_and_rm_work_with_a_key(launch: Launch, origin: Origin) -> None:
    """The key from the environment; what is deleted is gone from the list."""
    gateway = launch(api_keys=LINE)
    made = run("create", origin.url("/remote/x"), server=gateway.base, key=KEY)
    assert made.returncode == 0, made.stderr
    archive_hash = made.stdout.strip()[-36:-4]
    listed = run("list", "--json", server=gateway.base, key=KEY)
    assert [json.loads(line)["archive_hash"] for line in listed.stdout.splitlines()] == [archive_hash]
    ARCHIVES.validate_python({"archives": [json.loads(listed.stdout)], "next": None}, extra="forbid")
    assert archive_hash in run("list", server=gateway.base, key=KEY).stdout
    assert run("list", "--quiet", server=gateway.base, key=KEY).stdout == f"{archive_hash}\n"
    removed = run("rm", archive_hash, server=gateway.base, key=KEY)
    assert (removed.returncode, removed.stdout, removed.stderr) == (0, "", f"streamzip: deleted {archive_hash}\n")
    assert run("list", server=gateway.base, key=KEY).stdout == ""
    again = run("rm", archive_hash, "--quiet", server=gateway.base, key=KEY)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)


def test_who_may_not_is_told_what_proves_it(launch: Launch, gateway: Gateway, origin: Origin) -> None:
    """Without a key where keys are, the variable and the flag are named; without one, where the token is said."""
    locked = launch(api_keys=LINE)
    refused = run("create", origin.url("/remote/x"), server=locked.base)
    assert (refused.returncode, "STREAMZIP_KEY or --key" in refused.stderr) == (1, True)
    told = run("create", origin.url("/remote/deleted"), "--json", server=gateway.base).stdout
    CREATED.validate_json(told, extra="forbid")
    made = json.loads(told)
    without = run("rm", made["archive_hash"], server=gateway.base)
    assert (without.returncode, "give it with --token" in without.stderr) == (1, True)
    token = ["--token", made["delete_token"], "--json"]
    for deleted, status in ((True, 0), (False, 1)):
        done = run("rm", made["archive_hash"], *token, server=gateway.base)
        document = REMOVED.validate_json(done.stdout, extra="forbid")
        assert (done.returncode, document["deleted"], "message" in document) == (status, deleted, not deleted)


def test_ctrl_c_while_waiting_prints_the_link(launch: Launch, origin: Origin) -> None:
    """The archive is there, and the gateway goes on: only the waiting was stopped. A terminal is told the token too."""
    gateway = launch()
    origin.serve("/remote/slow", File(Pattern(3_000_000), hold_at=2_000_000))
    reading, writing = pty.openpty()
    child = subprocess.Popen(
        [str(COMMAND), "create", "--wait", origin.url("/remote/slow"), "--server", gateway.base],
        stdout=subprocess.PIPE,
        stderr=writing,
        text=True,
    )
    os.close(writing)
    origin.until(lambda origin: origin.sent("/remote/slow") >= 2_000_000)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    said = b""
    with contextlib.suppress(OSError):  # the terminal's other side is closed
        while part := os.read(reading, 65536):
            said += part
    os.close(reading)
    origin.release("/remote/slow")
    assert child.returncode == 130
    assert out.startswith(f"{gateway.base}/archive/get/")
    assert b"to delete it: streamzip rm" in said
    assert b"stopped waiting" in said
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["create"], 2, "name at least one URL"),
        (["create", "-i", "/none"], 2, "/none cannot be read: No such file or directory"),
        (["get", "nonsense"], 2, "neither an archive's hash nor its link"),
        (["get", "0" * 32], 1, "404: "),
        (["status", "0" * 32], 1, "404: "),
        (["watch", "0" * 32], 1, "404: "),
        (["list"], 1, "403: "),
        (["rm", "0" * 32], 1, "404: "),
        (["status", "0" * 32, "--server", "http://[x", "--key", "k"], 2, "'http://[x' is no gateway's address"),
        (["status", f"http://[x/archive/get/{'0' * 32}.zip"], 2, "'http://[x' is no gateway's address"),
        (["list", "--key", ""], 2, "the API key is empty"),
        (["create", "https://example.com/\udcff"], 2, "no text in UTF-8"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(
    gateway: Gateway, arguments: list[str], status: int, sentence: str
) -> None:
    """And the right exit status: 2 where it was asked for wrongly, 1 where it failed."""
    done = run(*arguments, server=gateway.base)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    assert done.stderr.startswith("streamzip: ")
    assert sentence in done.stderr


@pytest.mark.parametrize("command", ["create", "status", "watch", "get", "list", "rm"])
def test_a_server_that_is_away_is_one_sentence(command: str, tmp_path: Path) -> None:
    """Exit status 1, whatever was asked for; nothing is written."""
    arguments = {"create": ["https://example.com/a"], "list": []}.get(command, ["0" * 32])
    environment = {"STREAMZIP_SERVER": "http://127.0.0.1:9"}
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        done = CliRunner().invoke(command_line(), [command, *arguments], env=environment)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("streamzip: ") and "127.0.0.1:9 cannot be reached" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_one_sentence(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """Exit status 1, with the file's name and the system's reason."""
    origin.serve("/remote/unwritten", File(b"x"))
    link = gateway.create(urls=[origin.url("/remote/unwritten")])["url"]
    done = run("get", link, "-o", str(tmp_path / "none" / "out.zip"), server=gateway.base)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "none/out.zip" in done.stderr and "cannot be written: No such file or directory" in done.stderr


@pytest.mark.parametrize("command", ["watch", "get"])
def test_a_terminal_sees_how_far_it_is(
    gateway: Gateway, origin: Origin, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar, without a colour where NO_COLOR asks for none; stdout has the result alone."""
    monkeypatch.setenv("NO_COLOR", "1")
    path = f"/remote/seen-{command}"
    origin.serve(path, File(Pattern(2_500_000), pause=0.02))
    made = gateway.create(urls=[origin.url(path)], prefetch=command == "watch")
    arguments = [command, made["url"], *(["-o", str(tmp_path / "out.zip")] if command == "get" else [])]
    reading, writing = pty.openpty()
    child = subprocess.Popen([str(COMMAND), *arguments], stdout=subprocess.PIPE, stderr=writing, text=True)
    os.close(writing)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's other side is closed
        while part := os.read(reading, 65536):
            shown += part
    os.close(reading)
    out, _ = child.communicate(timeout=60)
    assert (child.returncode, out.count("\n")) == (0, 1)
    assert b"2.5 MB" in shown
    closing = shown.replace(b"\r", b"").splitlines()[-1]
    line = rf"streamzip: {re.escape(str(tmp_path / 'out.zip'))}: 2\.5 MB, 1 file, in [0-9.]+ s$"
    assert bool(re.search(line.encode(), closing)) == (command == "get")
    assert re.search(rb"\x1b\[[0-9;]*3[0-9]m", shown) is None, "a colour"


def test_an_expired_link_is_one_sentence_and_nothing_is_lost(launch: Launch, origin: Origin, tmp_path: Path) -> None:
    """Exit status 1 and what to do; what an earlier run left of the download stays for a link that is good."""
    gateway = launch(signed_links="on")
    origin.serve("/remote/expiring", File(b"x" * 1000))
    made = gateway.create(urls=[origin.url("/remote/expiring")])
    links = SignedLinks(KeyRing.parse((gateway.data / "secret.keys").read_text()), lifetime=60)
    path = f"/archive/get/{made['archive_hash']}.zip"
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "out.zip.0123456789ab.part").write_bytes(b"half")
    expired = f"{gateway.base}{path}?{links.query(path, now=time.time() - 120)}"
    done = run("get", expired, "-o", "out.zip", server=gateway.base, folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "streamzip: 403: this link has expired; ask for a new one\n"
    assert [each.name for each in folder.iterdir()] == ["out.zip.0123456789ab.part"]
    again = run("get", made["url"], "-o", "out.zip", server=gateway.base, folder=folder)
    assert (again.returncode, again.stdout) == (0, "out.zip\n")


@pytest.mark.parametrize("command", [["get"], ["status"], ["watch"], ["rm"]], ids=" ".join)
def test_the_key_goes_to_no_server_that_only_a_link_names(gateway: Gateway, origin: Origin, command: list[str]) -> None:
    """A link may come from anybody; the key is the server's that --server or the environment names."""
    archive_hash = f"{len(command[0]):032x}{'a' * 32}"[:32]
    path = f"/archive/get/{archive_hash}.zip"
    done = run(*command, origin.url(path), server=gateway.base, key=KEY)
    assert done.returncode == 1
    assert "your API key is not sent to" in done.stderr
    asked = [request for request in origin.requests() if archive_hash in request.target]
    assert asked
    assert not any("authorization" in request.fields for request in asked)


def test_the_key_goes_to_the_server_that_is_named_and_linked(launch: Launch, origin: Origin) -> None:
    """One origin, however it is written."""
    gateway = launch(api_keys=LINE)
    made = run("create", origin.url("/remote/x"), server=gateway.base, key=KEY).stdout.strip()
    assert run("rm", made, server=f"{gateway.base}/", key=KEY).returncode == 0
