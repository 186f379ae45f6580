"""Times as clients write them. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_time(value: Any) -> int:
    """Return an RFC 3339 time in seconds since the epoch. Raises ValueError, its text a public sentence."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError('a time is written as RFC 3339 has it, with its zone: "2026-05-01T10:00:00Z"')
    try:
        instant = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError("there is no such date or time of day") from error
    return (instant - _EPOCH) // timedelta(seconds=1)
