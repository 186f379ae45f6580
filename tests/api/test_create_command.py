"""`streamzip create` against a running gateway, word for word as its help has it."""

import os
import subprocess
import time
import zipfile
from io import BytesIO

import httpx

from streamzip.access.api_keys import new_key
from tests.support.fixtures import Launch
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin

KEY, LINE = new_key("ann")


def run(*arguments: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "SZ_KEY"}
    if key is not None:
        environment["SZ_KEY"] = key
    command = [str(COMMAND), "create", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def names(url: str) -> list[str]:
    with zipfile.ZipFile(BytesIO(httpx.get(url, trust_env=False).content)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_create_prints_the_link_and_nothing_else(gateway: Gateway, origin: Origin) -> None:
    """For scripts; the link works at once, and nothing is pulled until it is used."""
    for name in ("a.png", "b.mov"):
        origin.serve(f"/command/{name}", File(name.encode()))
    done = run(origin.url("/command/a.png"), origin.url("/command/b.mov"), "--server", f"{gateway.base}/")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert done.stdout.startswith(f"{gateway.base}/archive/get/")
    assert gateway.status(done.stdout.strip()[-36:-4])["status"] == "pending"
    assert names(done.stdout.strip()) == ["a.png", "b.mov"]


def test_create_waits_until_the_archive_is_built(gateway: Gateway, origin: Origin) -> None:
    """With --wait: completed when it returns, and what was left out is said; a repeat returns at once."""
    origin.serve("/command/held", File(b"x" * 100_000, hold_at=1000))
    arguments = [origin.url("/command/held"), origin.url("/command/none"), "--server", gateway.base, "--wait"]
    command = subprocess.Popen([str(COMMAND), "create", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    origin.until(lambda origin: origin.sent("/command/held") >= 1000)
    assert command.poll() is None
    origin.release("/command/held")
    out, err = command.communicate(timeout=40)
    assert command.returncode == 3  # done, and some were left out
    assert b"left out: none: the origin answered 404" in err
    status = gateway.status(out.decode().strip()[-36:-4])
    assert (status["status"], status["cached"]) == ("completed", True)


def test_create_says_why_when_the_archive_fails(gateway: Gateway, origin: Origin) -> None:
    """One sentence, exit 1, no link."""
    done = run(origin.url("/command/nothing"), "--server", gateway.base, "--wait")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no_entries" in done.stderr
    assert "Traceback" not in done.stderr


def test_create_says_why_when_it_is_refused(gateway: Gateway) -> None:
    """The gateway's own words, with the URL that is meant."""
    done = run("https://example.com/a", "ftp://example.com/b", "--server", gateway.base)
    assert (done.returncode, done.stdout) == (1, "")
    assert "422: /urls/1: " in done.stderr


def test_create_says_so_when_nobody_answers(gateway: Gateway) -> None:
    """A wrong port, a wrong URL, another kind of server: a sentence each."""
    wrong = {"http://127.0.0.1:1": 1, f"{gateway.base}/docs": 1, "nonsense": 2, "http://[": 2}
    for server, status in wrong.items():
        done = run("https://example.com/a", "--server", server)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
        assert "Traceback" not in done.stderr


def test_create_links_without_waiting_where_no_copies_are_kept(launch: Launch, origin: Origin) -> None:
    """There is nothing to wait for, and the link works."""
    origin.serve("/command/uncached", File(b"bytes"))
    gateway = launch(cache_max_bytes="0")
    done = run(origin.url("/command/uncached"), "--server", gateway.base, "--wait")
    assert done.returncode == 0
    assert "keeps no copy" in done.stderr
    assert names(done.stdout.strip()) == ["uncached"]


def test_create_sends_the_key_of_the_environment(launch: Launch, origin: Origin) -> None:
    """And gets a signed link; without the key it says that one is needed."""
    origin.serve("/command/keyed", File(b"bytes"))
    gateway = launch(api_keys=LINE, signed_links="on")
    arguments = [origin.url("/command/keyed"), "--server", gateway.base, "--wait"]
    assert "401: an API key is needed" in run(*arguments).stderr
    done = run(*arguments, key=KEY)
    assert names(done.stdout.strip()) == ["keyed"]


def test_create_goes_on_waiting_when_the_gateway_starts_again(launch: Launch, origin: Origin) -> None:
    """What was accepted is built in its next life; who waits for it need not ask anew."""
    gateway = launch()
    origin.serve("/command/again", *[File(b"x" * 100_000, hold_at=1000)] * 9)
    arguments = [origin.url("/command/again"), "--server", gateway.base, "--wait"]
    command = subprocess.Popen([str(COMMAND), "create", *arguments], stdout=subprocess.PIPE)
    origin.until(lambda origin: origin.sent("/command/again") >= 1000)
    gateway.kill()
    origin.release("/command/again")
    time.sleep(0.5)  # so that it asks while nobody answers
    gateway.start()
    out, _ = command.communicate(timeout=60)
    assert command.returncode == 0
    assert names(out.decode().strip()) == ["again"]
