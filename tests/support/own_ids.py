"""What is told of a request alone: its id and its time, which no two answers have in common."""

import re
from collections.abc import Mapping

_REQUEST_ID = re.compile(rb', "request_id": "[0-9a-f]{16}"')


def common(body: bytes) -> bytes:
    """Return a problem's document without the request's id."""
    return _REQUEST_ID.sub(b"", body)


def common_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that two answers have in common."""
    return {name: value for name, value in headers.items() if name.lower() not in ("date", "x-request-id")}
