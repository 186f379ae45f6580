"""Header fields that go with one entry to its origin: which may, and how they are written."""

import re
from typing import Any

Fields = tuple[tuple[str, str], ...]

MOST_FIELDS = 32
MOST_BYTES = 8192  # of one entry's fields together: what servers commonly take

# RFC 9110 §5.1 and §5.5, ASCII alone; so no line end, NUL or folding can stand in either.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")

# What the gateway says itself, because its proofs rest on it (ranges, versions, encodings), what frames a message, and
# what concerns a single connection (RFC 9110 §7.6.1).
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_OUR_PREFIXES = ("content-", "if-", "proxy-")


def read_fields(value: Any) -> Fields:
    """Return the fields, in the order of their names. Raises ValueError with a public sentence, which never holds a
    value.
    """
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - the client's value
            'an object of names and values is expected, such as {"Authorization": "Bearer …"}'
        )
    if len(value) > MOST_FIELDS:
        raise ValueError(f"at most {MOST_FIELDS} header fields are taken")
    for name, text in value.items():
        if not _NAME.fullmatch(name):
            raise ValueError("a header field's name is a token of RFC 9110: letters, digits and hyphens")
        if name.lower() in _OURS or name.lower().startswith(_OUR_PREFIXES):
            raise ValueError(f"the gateway sets {name} itself, or may not send it")
        if not isinstance(text, str) or not _VALUE.fullmatch(text):
            raise ValueError(f"the value of {name} is not a line of printable ASCII")
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("a header field is named twice")
    if sum(len(name) + len(text) + 4 for name, text in value.items()) > MOST_BYTES:
        raise ValueError(f"the header fields are longer than {MOST_BYTES} bytes together")
    return tuple(sorted(value.items(), key=lambda field: field[0].lower()))
