"""When to try again, told from numbers alone."""

import pytest

from streamzip.net.retry import LONGEST_RETRY_AFTER, http_date, retry_after
from streamzip.retry import Backoff

NOON = 1_780_315_200  # Mon, 01 Jun 2026 12:00:00 GMT


def backoff(attempts: int = 10, jitter: float = 1.0) -> Backoff:
    """From half a second to eight, without chance."""
    return Backoff(attempts=attempts, base=0.5, cap=8.0, jitter=lambda: jitter)


def test_backoff_grows_up_to_its_cap() -> None:
    """Each failure doubles the wait, until the cap."""
    assert [backoff().delay(failures) for failures in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def test_backoff_gives_up_when_the_attempts_are_spent() -> None:
    """The last failure has no wait after it."""
    assert backoff(attempts=3).delay(2) == 1.0
    assert backoff(attempts=3).delay(3) is None


def test_backoff_spreads_by_its_jitter() -> None:
    """What failed together does not return together."""
    assert backoff(jitter=0.7).delay(2) == 0.7


def test_backoff_waits_as_long_as_the_origin_asked() -> None:
    """Retry-After is a lower bound, and a short one does not shorten the wait."""
    assert backoff().delay(1, retry_after=7.0) == 7.0
    assert backoff().delay(4, retry_after=1.0) == 4.0


def test_backoff_stays_at_its_cap_when_failures_are_many() -> None:
    """The growth is bounded before it overflows a float."""
    assert backoff(attempts=10_000).delay(5_000) == 8.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("007", 7.0),
        ("0000000000000000005", 5.0),
        ("86400", LONGEST_RETRY_AFTER),
        ("9" * 5000, LONGEST_RETRY_AFTER),
        ("Mon, 01 Jun 2026 12:00:30 GMT", 30.0),
        ("Monday, 01-Jun-26 12:00:30 GMT", 30.0),
        ("Mon Jun  1 12:00:30 2026", 30.0),
        ("Mon, 01 Jun 2026 11:00:00 GMT", 0.0),
        ("Wed, 01 Jun 2033 12:00:00 GMT", LONGEST_RETRY_AFTER),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("٧", None),
    ],
)
def test_retry_after_reads_seconds_and_dates_within_its_cap(value: str, seconds: float | None) -> None:
    """Both forms of RFC 9110 count, none counts for more than the cap, and nonsense counts for nothing."""
    assert retry_after(value, NOON) == seconds


@pytest.mark.parametrize(
    ("value", "epoch"),
    [
        ("Mon, 01 Jun 2026 12:00:00 GMT", NOON),
        ("Mon, 01 Jun 2026 14:00:00 +0200", NOON),
        ("Mon, 01 Jun 2026 11:59:60 GMT", NOON - 1),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Mon, 99 Jun 2026 12:00:00 GMT", None),
        ("Mon, 01 Jun 99999999999 12:00:00 GMT", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_http_date_reads_instants_and_refuses_nonsense(value: str, epoch: int | None) -> None:
    """A date is an instant or nothing; an origin's nonsense raises nothing."""
    assert http_date(value) == epoch
