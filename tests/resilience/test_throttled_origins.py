"""Hosts that refuse what comes too fast or too many at once: every entry is had, at the pace that they allow."""

import io
import zipfile

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import Answer, File, HangUp, Origin, Pattern
from tests.support.throttled import Limits, refusal


def check(gateway: Gateway, origin: Origin, limits: Limits, files: int, *, seconds: float, pause: float = 0.0) -> None:
    """Every one of so many files is in the archive."""
    bodies = [Pattern(3000 + number)[:] for number in range(files)]
    for number, body in enumerate(bodies):
        origin.serve(f"/{number}", limits.file(File(body, drip=1500, pause=pause)))
    entries = [{"url": origin.url(f"/{number}"), "name": f"{number}.bin"} for number in range(files)]
    hash = gateway.create(entries=entries, compression="store", prefetch=True)["archive_hash"]
    status = gateway.until(hash, lambda status: status["status"] in ("completed", "failed"), seconds=seconds, poll=0.1)
    assert (status["status"], status["errors"]) == ("completed", [])
    with zipfile.ZipFile(io.BytesIO(gateway.download(hash))) as opened:
        assert [opened.read(name) for name in opened.namelist()] == bodies


CONNECTIONS = [
    pytest.param(1, refusal(503), marks=pytest.mark.slow),
    (2, refusal(403)),
    pytest.param(2, HangUp(reset=True), marks=pytest.mark.slow),
    pytest.param(4, refusal(429), marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("connections", "answer"), CONNECTIONS, ids=["503", "403", "reset", "429"])
def test_host_of_few_connections_gives_every_entry(connections: int, answer: Answer, launch: Launch) -> None:
    """The third connection is refused, whatever with: none of the entries is lost."""
    with Origin() as origin:
        limits = Limits(origin=origin, connections=connections, refusal=lambda: answer)
        check(launch(allow=[origin.authority]), origin, limits, 40, seconds=60, pause=0.005)


@pytest.mark.parametrize(
    ("rate", "after", "date"), [pytest.param(20, None, None, marks=pytest.mark.slow), (20, "1", None), (20, None, 1.0)]
)
def test_host_of_a_rate_gives_every_entry(rate: int, after: str | None, date: float | None, launch: Launch) -> None:
    """429 beyond so many requests a second, without Retry-After, with seconds, with a date."""
    with Origin() as origin:
        limits = Limits(rate=rate, refusal=lambda: refusal(429, after=after, date=date))
        check(launch(allow=[origin.authority]), origin, limits, 30, seconds=60)


def test_host_that_throttles_is_named_in_the_status(launch: Launch) -> None:
    """Whoever waits is told for whom, until when, and why."""
    with Origin() as origin:
        gateway = launch(allow=[origin.authority])
        limits = Limits(closed_for=1.0, refusal=lambda: refusal(429, after="1"))
        for number in range(3):
            origin.serve(f"/{number}", limits.file(File(b"x" * 100)))
        entries = [{"url": origin.url(f"/{number}"), "size": 100} for number in range(3)]
        hash = gateway.create(entries=entries, prefetch=True)["archive_hash"]
        waiting = gateway.until(hash, lambda status: bool(status["waiting_for"]))["waiting_for"]
        assert [(each["origin"], each["why"]) for each in waiting] == [(origin.authority, "http_429")]
        assert gateway.until(hash)["waiting_for"] == []
        assert gateway.status(hash)["errors"] == []


def test_host_that_refuses_everything_is_given_up_when_the_time_for_it_is_over(launch: Launch) -> None:
    """The wait is bounded by a setting; the code says what it was."""
    with Origin() as origin:
        gateway = launch(allow=[origin.authority], throttle_wait="2", max_attempts="1")
        limits = Limits(closed_for=1e9, refusal=lambda: refusal(429))
        for number in range(30):
            origin.serve(f"/{number}", limits.file(File(b"x" * 100)))
        hash = gateway.create(urls=[origin.url(f"/{number}") for number in range(30)])["archive_hash"]
        assert gateway.get(hash).status_code == 502
        assert {error["code"] for error in gateway.status(hash)["errors"]} == {"http_429"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("rate", "files"), [(5, 100), (20, 200)])
def test_host_of_a_rate_refuses_less_than_a_fifth_after_ten_seconds(rate: int, files: int, launch: Launch) -> None:
    """It is asked at the pace that it allows: two requests an entry, the probe's and the pull's."""
    with Origin() as origin:
        limits = Limits(rate=rate, refusal=lambda: refusal(429))
        check(launch(allow=[origin.authority]), origin, limits, files, seconds=4 * files / rate)
        assert limits.refused_after(10) < 0.2


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_host_that_is_closed_for_a_minute_gives_every_entry_afterwards(launch: Launch) -> None:
    """429 to everything for a minute, then well."""
    with Origin() as origin:
        limits = Limits(closed_for=60.0, refusal=lambda: refusal(429))
        check(launch(allow=[origin.authority]), origin, limits, 50, seconds=200)
