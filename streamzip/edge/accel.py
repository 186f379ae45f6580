"""X-Accel-Redirect: which requests for a finished copy the nginx in front would answer as the gateway does.

nginx 1.22 says 416 to most Range fields that are to be ignored (RFC 9110 §14.2), takes blanks in them and ranges that
overlap, and has an If-Modified-Since or If-Unmodified-Since count beside the entity tags that override it (§13.2.2).
What it would answer otherwise is rare, and sent by the gateway: an archive that is finished answers as it did before.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from streamzip.spans import Span

ANNOUNCED_KEY: Final = "streamzip.hand_over"  # of the scope: whether a trusted proxy can be handed copies

_PRECONDITIONS: Final = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})
_ONE_RANGE = re.compile(r"bytes=(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})", re.IGNORECASE)  # 63 bits hold 18 digits


def announces(fields: Mapping[str, str]) -> bool:
    """Return whether a request says that the proxy that passed it on sends what X-Accel-Redirect names.

    Whoever comes past that proxy would get 200 and no bytes. The field's name is Rack's (Rack::Sendfile).
    """
    return fields.get("x-sendfile-type", "").lower() == "x-accel-redirect"


def nginx_agrees(fields: Mapping[str, str], spans: Sequence[Span] | None) -> bool:
    """Return whether nginx gives a GET with these fields (by lower-case name) what we do: the whole, or one span.

    `spans`: what is asked for; None: the whole. If-Range needs no look: it is compared alike, and one that does not
    hold has left a Range field without spans.
    """
    if _PRECONDITIONS & fields.keys():
        return False
    return "range" not in fields or (spans is not None and _ONE_RANGE.fullmatch(fields["range"]) is not None)
