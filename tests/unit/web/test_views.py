"""What an archive's page shows, from its status document."""

from datetime import UTC, datetime
from typing import Any

import pytest

from streamzip.web.frame import moment, size
from streamzip.web.texts import written
from streamzip.web.views import Links, archive_view, commands, pages_of, time_left

LINKS = Links("../a.zip", "https://z/a.zip", "e", "f", "b", "again", "d")
NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)


def document(**changed: Any) -> dict[str, Any]:
    progress = {"bytes": 10, "total_bytes": 100, "entries": 1, "total_entries": 3}
    whole = {"archive_hash": "0" * 32, "filename": "x.zip", "status": "in-progress", "active": True, "cached": False,
             "progress": progress, "errors": [], "errors_total": 0, "expires_at": None}  # fmt: skip
    return whole | changed


def shown(**changed: Any) -> Any:
    return archive_view(document(**changed), LINKS, qr="data:,", may_build=True, mine=True, now=NOW)


def test_running_archive_is_followed_and_not_built_again() -> None:
    """Live until it is completed or has failed; the button is there where nothing is under way."""
    assert (shown().running, shown().live, shown().may_build) == (True, True, False)
    assert (shown(active=False).running, shown(active=False).may_build) == (False, True)
    done = shown(status="completed")
    assert (done.running, done.live, done.may_build) == (False, False, False)


def test_failed_archive_says_what_to_do() -> None:
    """A stale one is made again; what may pass is tried again."""
    stale = shown(status="failed", code="origin_changed")
    assert (stale.problem, stale.retryable) == ("origin_changed", False)
    failed = shown(status="failed", code="no_entries")
    assert (failed.problem, failed.retryable) == ("origins", True)


def test_long_list_of_what_was_left_out_is_cut() -> None:
    """A hundred, and how many more; also where the document has only the first of them."""
    rows = [{"name": str(number), "message": "gone"} for number in range(150)]
    assert (len(shown(errors=rows, errors_total=150).left_out), shown(errors=rows, errors_total=150).more_left_out) == (
        100,
        50,
    )
    assert shown(errors=rows[:20], errors_total=500).more_left_out == 480


def test_archive_is_made_again_where_that_helps() -> None:
    """Where files were left out or have changed since; one that failed for good is tried again by its link."""
    rows = [{"name": "a", "message": "gone"}]
    assert not shown(status="completed").may_make_again
    assert shown(status="completed", errors=rows, errors_total=1).may_make_again
    assert shown(status="failed", code="origin_changed").may_make_again
    assert not shown(status="failed", code="no_entries", errors=rows, errors_total=1).may_make_again


def test_numbers_are_written_as_the_language_does() -> None:
    """Comma and point change places."""
    assert written("8,000.7 kB", "en") == "8,000.7 kB"
    assert written("8,000.7 kB", "de") == "8.000,7 kB"


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (None, ("soon", 0)),
        ("2026-05-01T09:00:00Z", ("soon", 0)),
        ("2026-05-01T11:59:00Z", ("soon", 0)),
        ("2026-05-01T12:00:00Z", ("hours", 2)),
        ("2026-05-03T09:00:00Z", ("hours", 47)),
        ("2026-05-03T10:00:00Z", ("days", 2)),
        ("2026-05-07T09:59:00Z", ("days", 6)),
    ],
)
def test_time_left_is_as_people_say_it(until: str | None, expected: tuple[str, int]) -> None:
    """Never one of a unit, so that no text needs a singular."""
    assert time_left(until, NOW) == expected


def test_commands_are_safe_to_paste() -> None:
    """A link or a name never ends its word."""
    for command in commands("https://z/a.zip?x=1&y='$(rm)'", "it's $HOME.zip"):
        assert "'\"'\"'" in command
        assert " $HOME" not in command.replace("'it'\"'\"'s $HOME.zip'", "")


@pytest.mark.parametrize(("count", "expected"), [(0, 1), (1, 1), (200, 1), (201, 2), (400, 2)])
def test_files_are_shown_200_a_page(count: int, expected: int) -> None:
    """An archive without files has one page all the same."""
    assert pages_of(count) == expected


def test_instant_is_as_people_read_it() -> None:
    """To the minute, and in which zone."""
    assert moment("2026-05-01T10:00:59Z") == "2026-05-01 10:00 UTC"


@pytest.mark.parametrize(
    ("count", "expected"),
    [(None, "?"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (734_200_000, "734.2 MB"), (10**18, "1000.0 PB")],
)
def test_size_is_as_people_read_it(count: int | None, expected: str) -> None:
    """Decimal units, as browsers and file managers show them."""
    assert size(count) == expected
