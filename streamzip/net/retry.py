"""When an answer asks to be tried again, and other times of HTTP. PURE."""

from datetime import UTC, datetime
from email.utils import parsedate_tz
from functools import lru_cache

LONGEST_RETRY_AFTER = 60.0


def retry_after(value: str, now: float, *, longest: float = LONGEST_RETRY_AFTER) -> float | None:
    """Return the seconds that a Retry-After field asks for (RFC 9110, 10.2.3: a number or a date), at most `longest`;
    None: unreadable.

    `now`: wall time in seconds since the epoch. The cap is there because an origin may name a year.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        # Twelve digits are past any cap, and int() raises at 4,301.
        return min(float(text.lstrip("0")[:12] or "0"), longest)
    date = http_date(text)
    return None if date is None else min(max(0.0, date - now), longest)


@lru_cache(maxsize=4096)  # a file's date comes with each of its answers: at the probe, and for every part
def http_date(value: str) -> int | None:
    """Return an HTTP-date (RFC 9110, 5.6.7), in any of its three forms, as seconds since the epoch; None:
    unreadable.
    """
    parsed = parsedate_tz(value)
    if parsed is None:
        return None
    year, month, day, hour, minute, second = parsed[:6]
    try:
        # A leap second, which the grammar allows, is no second of POSIX time.
        instant = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
        return int(instant.timestamp()) - (parsed[9] or 0)
    except (ValueError, OverflowError):
        return None
