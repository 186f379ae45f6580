"""What kind of failure an origin's is: judged here alone, by its code, which is all that the store keeps of it."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


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
_SERVER_ERROR: Final = "http_5"

# Those that a problem has for its own code: the client, or the operator, can do something about them.
TOLD: Final = frozenset({"size_mismatch", "crc_mismatch", "entry_too_large", "archive_too_large"})


def kind_of(code: str) -> Kind:
    """Return the kind of an entry's failure with this code."""
    return _KINDS.get(code, Kind.PASSING if code.startswith(_SERVER_ERROR) else Kind.LASTING)


def may_pass(code: str) -> bool:
    """Return whether an entry that cannot be had for this reason may be had later."""
    return kind_of(code) in (Kind.PASSING, Kind.THROTTLED, Kind.VERSION_CHANGED)
