"""`streamzip zip`: a zip without a server, on a terminal and through pipes, and on from wherever it was ended."""

import json
import os
import pty
import random
import re
import signal
import subprocess
import time
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner, Result

from streamzip.cli.commands import command_line
from streamzip.cli.documents import DryRun, Zipped
from streamzip.library.saving import Part
from tests.support.gateway import COMMAND, POLL
from tests.support.origin import File, Origin, Pattern, Status

ZIPPED, DRY_RUN = TypeAdapter(Zipped), TypeAdapter(DryRun)
LARGE = 17_000_000
HELD = 4 << 20  # of each part
LISTED = 150  # bytes of a journal that lists some of it


def run(*arguments: str, given: str | None = None) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(command_line(), ["zip", "--allow-private", *arguments], input=given)


def begin(*arguments: str, **pipes: int) -> subprocess.Popen[bytes]:
    """Start the command in a process of its own."""
    return subprocess.Popen([str(COMMAND), "zip", "--allow-private", *arguments], **pipes)  # type: ignore[call-overload, no-any-return]


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_urls_and_files_become_a_zip(origin: Origin, tmp_path: Path) -> None:
    """URLs, files and folders in one archive; its path on stdout; nothing beside it; a second run replaces nothing."""
    origin.serve("/zip/a.png", File(b"picture"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b").write_bytes(b"b")
    out = tmp_path / "out.zip"
    done = run(origin.url("/zip/a.png"), str(tmp_path / "in"), "-o", str(out))
    assert (done.exit_code, done.stdout) == (0, f"{out}\n")
    assert members(out.read_bytes()) == {"a.png": b"picture", "in/b": b"b"}
    assert left(tmp_path) == ["in", "out.zip"]
    assert time.time() - out.stat().st_mtime < 60
    again = run(origin.url("/zip/a.png"), "-o", str(out))
    assert again.exit_code == 1
    assert "use --force to replace it" in again.stderr
    assert run(origin.url("/zip/a.png"), "-o", str(out), "--force").exit_code == 0
    assert members(out.read_bytes()) == {"a.png": b"picture"}


def test_a_list_is_piped_in_and_names_are_made(origin: Origin, tmp_path: Path) -> None:
    """`gallery-dl -g URL | streamzip zip -i -`: the list's own names, or a template's; fields go to the origin."""
    for name in ("a.png", "b.jpg"):
        origin.serve(f"/list/{name}", File(name.encode()))
    listing = f"{origin.url('/list/a.png')}\tfirst.png\n| {origin.url('/list/other')}\n{origin.url('/list/b.jpg')}\n"
    out = tmp_path / "out.zip"
    done = run("-i", "-", "-o", str(out), "--json", "--header", "X-Token: abc", given=listing)
    document = json.loads(done.stdout)
    assert 0 < document.pop("seconds") < 60
    assert document == {
        "path": str(out),
        "bytes": out.stat().st_size,
        "entries": 2,
        "resumed_from": 0,
        "left_out": [],
    }
    assert list(members(out.read_bytes())) == ["first.png", "b.jpg"]
    assert origin.requests("/list/a.png")[0].fields["x-token"] == "abc"
    named = run("-i", "-", "-o", str(out), "-f", "--name-template", "{index}/{stem}@{host}.{ext}", given=listing)
    assert named.exit_code == 0
    assert list(members(out.read_bytes())) == ["1/first@127.0.0.1.png", "2/b@127.0.0.1.jpg"]


def test_what_is_left_out_is_said(origin: Origin, tmp_path: Path) -> None:
    """Exit status 3 and a sentence where entries are missing; 1 where nothing is left, or with --on-error fail."""
    origin.serve("/some/here", File(b"here"))
    origin.serve("/some/gone", Status(404))
    here, gone, out = origin.url("/some/here"), origin.url("/some/gone"), str(tmp_path / "out.zip")
    done = run(here, gone, "-o", out, "--json")
    zipped = ZIPPED.validate_json(done.stdout, extra="forbid")
    assert (done.exit_code, zipped["left_out"][0]["code"]) == (3, "http_404")
    assert "left out: gone" in done.stderr
    failed = run(here, gone, "-o", out, "-f", "--on-error", "fail")
    assert (failed.exit_code, failed.stderr) == (1, "streamzip: gone: the origin answered 404\n")
    none = run(gone, "-o", str(tmp_path / "none.zip"))
    assert (none.exit_code, none.stderr) == (1, "streamzip: no entry can be had; gone: the origin answered 404\n")
    assert left(tmp_path) == ["out.zip"]
    dry = run(here, gone, str(Path(__file__)), "-o", out, "--dry-run", "--json")
    document = DRY_RUN.validate_json(dry.stdout, extra="forbid")
    assert document["entries"][0] == {"name": "here", "size": 4}
    assert (document["bytes"] or 0) > Path(__file__).stat().st_size


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name at least one URL or file"),
        (["/nowhere/file"], "neither a URL nor a file here"),
        (["ftp://example.com/a"], "streamzip: ftp://example.com/a: "),
        (["-i", "/nowhere/list"], "cannot be read"),
        (["-i", "/bin/sh"], "it is no text in UTF-8"),
        (["-i", "pyproject.toml"], "begins like JSON and is none"),
        (["README.md", "--compression", "most"], "store, deflate or auto"),
        (["README.md", "--header", "nonsense"], "--header is a field"),
        (["README.md", "--limit-rate", "fast"], "--limit-rate is bytes a second"),
        (["README.md", "-o", "-", "--json"], "stdout"),
        ([""], "an empty text is neither a URL nor a file here"),
        (["README.md", "-o", ""], "--output is a file"),
        (["README.md", "-o", "/"], "--output is a file"),
        (["README.md", "-o", "."], "--output is a file"),
        (["http://[::1", "--name-template", "{host}"], "the host or port cannot be read"),
    ],
)
def test_wrong_usage_is_one_sentence(arguments: list[str], sentence: str) -> None:
    """Exit status 2, and nothing is written."""
    done = run(*arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_private_address_is_named_with_the_way_to_dial_it(tmp_path: Path) -> None:
    """Nobody is dialled; the URL is told, and the option."""
    done = CliRunner().invoke(
        command_line(), ["zip", "README.md", "http://127.0.0.1:8080/a", "-o", str(tmp_path / "out.zip")]
    )
    assert done.exit_code == 2
    assert done.stderr == (
        "streamzip: http://127.0.0.1:8080/a: the address is not one of the public internet; --allow-private dials it\n"
    )
    assert left(tmp_path) == []


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """Exit status 1; a part in the way, or of another list, is left as it is."""
    assert "cannot be written" in run("README.md", "-o", str(tmp_path / "none" / "out.zip")).stderr
    assert "is a folder" in run("README.md", "-o", str(tmp_path)).stderr
    (tmp_path / "a.zip.part").write_text("mine")
    assert "move it away" in run("README.md", "-o", str(tmp_path / "a.zip")).stderr
    assert (tmp_path / "a.zip.part").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "closed", "status", "told"),
    [
        ("-i -", "<&-", 2, "name at least one URL"),
        ("README.md -o $OUT", ">&-", 1, "stdout cannot be written: Bad file descriptor"),
        ("README.md -o $OUT", "2>&-", 0, ""),
        ("README.md -o -", ">&-", 1, "stdout cannot be written: Bad file descriptor"),
        ("README.md -o -", ">/dev/full", 1, "stdout cannot be written: No space left on device"),
        ("README.md -o $OUT --json", ">/dev/full", 1, "stdout cannot be written: No space left on device"),
    ],
)
def test_a_stream_that_is_closed_or_full_is_one_sentence(
    tmp_path: Path, arguments: str, closed: str, status: int, told: str
) -> None:
    """No file or socket takes the place of a closed stream, and a result that went nowhere is not called done."""
    line = f"{COMMAND} zip {arguments} {closed}"
    done = subprocess.run(
        ["/bin/sh", "-c", line], env=os.environ | {"OUT": str(tmp_path / "o.zip")}, capture_output=True, check=False
    )
    assert done.returncode == status, done.stderr
    assert told in done.stderr.decode()
    assert done.stderr.count(b"\n") == bool(told)


def killed_midway(origin: Origin, path: str, out: Path, *, number: signal.Signals = signal.SIGKILL) -> bytes:
    """Begin a zip whose origin falls silent in the middle of each part, and end it there; what it said."""
    origin.serve(path, File(Pattern(LARGE), hold_at=HELD))
    process = begin(origin.url(path), "README.md", "-o", str(out), stderr=subprocess.PIPE)
    origin.until(lambda origin: origin.sent(path) >= 2 * HELD)
    journal = out.with_name(f"{out.name}.part") / "archive.journal"
    until = time.monotonic() + 20
    while journal.stat().st_size < LISTED:
        assert time.monotonic() < until, "nothing was listed"
        time.sleep(POLL)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == (-9 if number == signal.SIGKILL else 130)
    origin.serve(path, File(Pattern(LARGE)))
    return bytes(said)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_ended_run_is_gone_on_from(origin: Origin, tmp_path: Path, number: signal.Signals) -> None:
    """`kill -9` or Ctrl-C leaves a .part alone; the same command goes on, another list is refused, and the result has
    the very bytes of a run that was never ended.
    """
    path = f"/resumed/{number.name}"
    out = tmp_path / "out.zip"
    said = killed_midway(origin, path, out, number=number)
    assert left(tmp_path) == ["out.zip.part"]
    if number == signal.SIGINT:
        assert said == b"streamzip: stopped; run it again to go on\n"
    other = run("README.md", "-o", str(out))
    assert (other.exit_code, "begun with another list" in other.stderr) == (1, True)
    done = run(origin.url(path), "README.md", "-o", str(out), "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["resumed_from"] > 0
    assert left(tmp_path) == ["out.zip"]
    whole = tmp_path / "whole.zip"
    assert run(origin.url(path), "README.md", "-o", str(whole)).exit_code == 0
    assert out.read_bytes() == whole.read_bytes()


def test_a_changed_origin_is_begun_anew(origin: Origin, tmp_path: Path) -> None:
    """Where the file is another one by now, nothing of the old one is gone on from: nobody was given any of it."""
    path, out = "/changed", tmp_path / "out.zip"
    killed_midway(origin, path, out)
    origin.serve(path, File(b"another", etag='"v2"'))
    assert run(origin.url(path), "README.md", "-o", str(out)).exit_code == 0
    assert members(out.read_bytes())["changed"] == b"another"
    assert left(tmp_path) == ["out.zip"]


def test_a_run_that_ended_before_it_cleared_up_is_done(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the archive's name and the part's removal, the next run clears up and says the same."""
    origin.serve("/done/gone", Status(404))
    arguments = ["README.md", origin.url("/done/gone"), "-o", str(tmp_path / "out.zip"), "--json"]
    with monkeypatch.context() as patched:
        patched.setattr(Part, "remove", lambda _: os.kill(os.getpid(), signal.SIGINT))
        assert run(*arguments).exit_code == 130
    assert left(tmp_path) == ["out.zip", "out.zip.part"]
    again = run(*arguments)
    assert (again.exit_code, json.loads(again.stdout)["left_out"][0]["code"]) == (3, "http_404")
    assert left(tmp_path) == ["out.zip"]
    assert set(members((tmp_path / "out.zip").read_bytes())) == {"README.md", "archive-report.json"}


@pytest.mark.needs("bsdtar")
def test_a_zip_goes_through_a_pipe(origin: Origin, tmp_path: Path) -> None:
    """`-o -` gives the zip and nothing else to the next program; one that leaves ends the command quietly."""
    origin.serve("/piped", File(Pattern(3_000_000)))
    process = begin(origin.url("/piped"), "README.md", "-o", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    unpack = ["bsdtar", "-xvf", "-", "-C", str(tmp_path)]
    unpacked = subprocess.run(unpack, stdin=process.stdout, capture_output=True, text=True, check=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()
    assert (unpacked.stderr, process.wait(20)) == ("x piped\nx README.md\n", 0)
    assert (tmp_path / "piped").read_bytes() == Pattern(3_000_000)[:]
    assert (tmp_path / "README.md").read_bytes() == Path("README.md").read_bytes()
    leaves = begin(origin.url("/piped"), "README.md", "-o", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert leaves.stdout is not None
    leaves.stdout.read(10)
    leaves.stdout.close()
    assert leaves.stderr is not None
    with leaves.stderr:
        assert (leaves.stderr.read(), leaves.wait(20)) == (b"", 1)


def test_a_rate_is_kept_from_the_first_byte(origin: Origin, tmp_path: Path) -> None:
    """Also for small files, whose bytes come with the question for their size."""
    paths = [f"/slowly/{number}" for number in range(10)]
    for path in paths:
        origin.serve(path, File(b"x" * 10_000))
    began = time.monotonic()
    done = run(*map(origin.url, paths), "-o", str(tmp_path / "out.zip"), "--limit-rate", "200k")
    assert done.exit_code == 0, done.stderr
    assert time.monotonic() - began >= 0.45  # all but the first of them


def test_a_terminal_sees_how_far_it_is(origin: Origin, tmp_path: Path) -> None:
    """On a terminal a bar with the rate and the file under way, and at the end a line of what was made; through a pipe
    nothing but the path.
    """
    origin.serve("/shown.bin", File(Pattern(2_500_000), pause=0.01))
    reading, writing = pty.openpty()
    process = begin(
        origin.url("/shown.bin"),
        origin.url("/none"),
        "-o",
        str(tmp_path / "out.zip"),
        stderr=writing,
        stdout=subprocess.PIPE,
    )
    os.close(writing)
    shown = b""
    try:
        while part := os.read(reading, 65536):
            shown += part
    except OSError:  # the terminal's other side was closed
        pass
    os.close(reading)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 3
    assert b"shown.bin" in shown
    closing = shown.replace(b"\r", b"").splitlines()[-1].decode()
    path = re.escape(str(tmp_path / "out.zip"))
    assert re.search(rf"streamzip: {path}: 2\.5 MB, 1 file, in [0-9.]+ s; 1 left out$", closing)
    assert b"B/s" in shown
    assert out == f"{tmp_path / 'out.zip'}\n".encode()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_any_moment_to_be_killed_is_one_to_go_on_from(origin: Origin, tmp_path: Path) -> None:
    """Killed again and again at random, it ends with the bytes of a run that was never ended, and never leaves more
    than its .part.
    """
    chance = random.Random(7)
    paths = [f"/killed/{number}" for number in range(6)]
    for number, path in enumerate(paths):
        origin.serve(path, File(Pattern(4_000_000 + number), ranges=number % 2 == 0, pause=0.005))
    arguments = [*map(origin.url, paths), "README.md"]
    whole = tmp_path / "whole.zip"
    assert run(*arguments, "-o", str(whole)).exit_code == 0
    for turn in range(30):
        out = tmp_path / f"{turn}.zip"
        kills = kill_until_done(arguments, out, chance)
        assert out.read_bytes() == whole.read_bytes(), f"turn {turn}, killed {kills} times"
        assert left(tmp_path) == [out.name, "whole.zip"]
        out.unlink()


def kill_until_done(arguments: Sequence[str], out: Path, chance: random.Random) -> int:
    for kills in range(40):
        process = begin(*arguments, "-o", str(out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, said = process.communicate(timeout=chance.uniform(0.2, 2.5 + kills / 5))
            assert process.returncode == 0, said
            return kills
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            if out.exists() and not out.with_name(f"{out.name}.part").exists():
                return kills  # it had ended, and was about to leave
            assert {path.name for path in out.parent.iterdir()} <= {out.name, f"{out.name}.part", "whole.zip"}
    raise AssertionError("it never got to its end")
