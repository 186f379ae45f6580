"""Conditional requests (RFC 9110 §13): 200, 304 or 412, and whether a Range field is heeded, in the order of §13.2.2.

Ask only once the answer would be a 200 or 206 (§13.2.1): a 404 or a 409 stays what it is, whatever the preconditions.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_DAY = f"(?:{'|'.join(day[:3] for day in _DAYS)})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"

# The three forms of §5.6.7: IMF-fixdate, RFC 850, asctime. strptime would follow the locale and take loose spacing.
_DATES = (
    re.compile(f"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(f"(?:{'|'.join(_DAYS)}), (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(f"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)

# §8.8.3, in the latin-1 that header fields are decoded with. A comma may stand within the quotes; a blank may not.
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ONE_TAG = re.compile(_TAG)
# Possessive, because blanks between two commas could else be shared out in ever so many ways.
_LIST = re.compile(rf"(?:{_TAG})?(?:[ \t]*+,[ \t]*+(?:{_TAG})?)*+")


@dataclass(frozen=True, slots=True)
class Decision:
    """What the preconditions leave of a request: the status, and for 200 whether its Range field applies."""

    status: Literal[200, 304, 412]
    use_range: bool = False


def combined(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Header fields by lower-case name, repeated ones joined by a comma (RFC 9110 §5.3).

    If-Match and If-None-Match are lists and may be repeated; a Range or a date that is repeated thus becomes malformed,
    and is ignored as such.
    """
    joined: dict[str, str] = {}
    for name, value in fields:
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def decide(
    method: str,
    headers: Mapping[str, str],
    *,
    etag: str | None,
    last_modified: int | None,
    now: float,
    date_is_strong: bool = True,
) -> Decision:
    """Evaluate the preconditions of a GET or HEAD for the representation that it selects.

    `headers`: by lower-case name, as `combined` gives them. `etag`: as it is sent, quotes and all. `last_modified`:
    epoch seconds, as it is sent. `now`: epoch seconds, for the two-digit years of RFC 850. `date_is_strong`: False
    where the bytes could have changed twice within the second of `last_modified` (§8.8.2.2); an archive never changes.
    """
    if (match := headers.get("if-match")) is not None:
        if not _matches(match, etag, weakly=False):
            return Decision(412)
    elif _unmodified(headers.get("if-unmodified-since"), last_modified, now) is False:
        return Decision(412)

    if (match := headers.get("if-none-match")) is not None:
        if _matches(match, etag, weakly=True):
            return Decision(304)
    elif _unmodified(headers.get("if-modified-since"), last_modified, now) is True:
        return Decision(304)

    if method != "GET" or "range" not in headers:  # §14.2: Range means something for GET alone
        return Decision(200)
    condition = headers.get("if-range")
    if condition is None:
        return Decision(200, use_range=True)
    if _ONE_TAG.fullmatch(condition.strip(" \t")):
        return Decision(200, use_range=_matches(condition, etag, weakly=False))
    strong = date_is_strong and last_modified is not None and not (etag or "").startswith("W/")
    return Decision(200, use_range=strong and parse_date(condition, now) == last_modified)


def parse_date(value: str | None, now: float) -> int | None:
    """Return the epoch seconds of an HTTP-date in any of its three forms; None for all else.

    A two-digit year is the latest that is at most 50 years after `now` (§5.6.7). A day of the week must be one, but it
    may be another day's: the grammar has it so, and nothing depends on it.
    """
    text = (value or "").strip(" \t")
    match = next((match for form in _DATES if (match := form.fullmatch(text))), None)
    if match is None:
        return None
    month = _MONTHS.index(match["month"]) + 1
    day, hour, minute, second = (int(match[part]) for part in ("day", "hour", "minute", "second"))
    if second == 60:  # a leap second, which the grammar allows and datetime does not
        second = 59
    try:
        if len(match["year"]) == 4:
            when = datetime(int(match["year"]), month, day, hour, minute, second, tzinfo=UTC)
        else:
            today = datetime.fromtimestamp(now, UTC)
            horizon = (today.year + 50, today.month, today.day, today.hour, today.minute, today.second)
            year = horizon[0] - (horizon[0] - int(match["year"])) % 100
            if (year, month, day, hour, minute, second) > horizon:
                year -= 100
            when = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(when.timestamp())


def _unmodified(since: str | None, last_modified: int | None, now: float) -> bool | None:
    """Return whether nothing changed after the date; None where the field is to be ignored (§13.1.3, §13.1.4)."""
    date = parse_date(since, now)
    return None if date is None or last_modified is None else last_modified <= date


def _matches(field: str, etag: str | None, *, weakly: bool) -> bool:
    """Return whether `*` or a list of entity tags names the representation (§8.8.3.2); a bad list names nothing."""
    text = field.strip(" \t")
    if text == "*":
        return True
    if etag is None or not _LIST.fullmatch(text):
        return False
    tags = _ONE_TAG.findall(text)
    if weakly:
        return etag.removeprefix("W/") in {tag.removeprefix("W/") for tag in tags}
    return not etag.startswith("W/") and etag in tags
