"""Judges the failures of origins: here alone are their codes compared.

An attempt's failure says what to do next; an entry's has nothing but its code, which is all that the store keeps.
"""

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from streamzip.errors import OriginError


class Kind(Enum):
    """What a failure says of the next attempt, and of the file."""

    LASTING = auto()  # so it will be answered again
    PASSING = auto()  # the next attempt may go better
    THROTTLED = auto()  # so may it, after a while
    VERSION_CHANGED = auto()  # another version than the one that was begun
    GONE = auto()  # there is none any more
    OTHER_SIZE = auto()  # not the bytes that were given, or that the origin had said
    OTHER_BYTES = auto()  # not those of the CRC-32 that was given
    OVER_LIMIT = auto()  # more bytes than this gateway takes


_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("unreachable", "timed_out", "too_slow", "bad_answer", "truncated", "html_page"), Kind.PASSING),
    **dict.fromkeys(("http_408", "http_425"), Kind.PASSING),
    **dict.fromkeys(("http_429", "http_503"), Kind.THROTTLED),
    **dict.fromkeys(("http_404", "http_410"), Kind.GONE),
    **dict.fromkeys(("size_mismatch", "too_long"), Kind.OTHER_SIZE),
    **dict.fromkeys(("entry_too_large", "archive_too_large"), Kind.OVER_LIMIT),
    **dict.fromkeys(("credentials_expired", "no_credentials", "clock_skewed"), Kind.PASSING),
    "changed": Kind.VERSION_CHANGED,
    "crc_mismatch": Kind.OTHER_BYTES,
}
_SERVER_ERROR: Final = re.compile("http_[5-9][0-9]{2}")  # RFC 9110 §15: what is past 599 is as 500

# Those that a problem has for its own code: the client, or the operator, can do something about them.
TOLD: Final = frozenset({"size_mismatch", "crc_mismatch", "entry_too_large", "archive_too_large"})


def kind_of(code: str) -> Kind:
    """Return the kind of an entry's failure with this code."""
    return _KINDS.get(code, Kind.PASSING if _SERVER_ERROR.fullmatch(code) else Kind.LASTING)


def may_pass(code: str) -> bool:
    """Return whether an entry that cannot be had for this reason may be had later."""
    return kind_of(code) in (Kind.PASSING, Kind.THROTTLED, Kind.VERSION_CHANGED)


def is_worth_another(status: int) -> bool:
    """Return whether a request that was answered with this status may go better at another attempt."""
    return kind_of(f"http_{status}") in (Kind.PASSING, Kind.THROTTLED)


class Refusal(Enum):
    """What a failed request says of the origin, beside of its file."""

    NONE = auto()  # nothing: the request did not come to an answer, or its answer makes no sense
    ANSWER = auto()  # it answers
    FORBIDDEN = auto()  # it may count our connections, or mean the file
    UNSURE = auto()  # it may be throttling, or down
    EXPLICIT = auto()  # it throttles, and says so


def refusal_of(error: OriginError) -> Refusal:
    """Return what a failed request says of its origin."""
    code = error.code
    if kind_of(code) is Kind.THROTTLED:
        # RFC 6585 §4 and RFC 9110 §15.6.4: a 503 may be anything, unless it says when to come again.
        return Refusal.EXPLICIT if code == "http_429" or error.retry_after is not None else Refusal.UNSURE
    if code == "http_403":
        return Refusal.FORBIDDEN
    if code.startswith("http_"):
        return Refusal.ANSWER
    return Refusal.UNSURE if code == "unreachable" and error.transient else Refusal.NONE


# Statuses that origins give to a range and not to the file. Of an empty file S3 and Starlette say 416.
_REFUSED_RANGES: Final = frozenset({"http_400", "http_403", "http_405", "http_406", "http_412", "http_416", "http_501"})


def refuses_range(error: OriginError) -> bool:
    """Return whether the same file may be had where no range is asked for."""
    return error.code in _REFUSED_RANGES


def is_beyond_end(error: OriginError) -> bool:
    """Return whether the origin says that the file ends before the range that was asked for."""
    return error.code == "http_416"


def is_over_time(error: OriginError) -> bool:
    """Return whether nothing came in time."""
    return error.code == "timed_out"


def is_drip(error: OriginError) -> bool:
    """Return whether bytes came, and too few of them to count as progress."""
    return error.code == "too_slow"


def is_another_version(error: OriginError) -> bool:
    """Return whether the answer was of another version of the file than the pinned one."""
    return error.code in ("changed", "size_mismatch")
