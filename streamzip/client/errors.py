"""What can go wrong between a program and a gateway.

GatewayError
├── Unreachable        no answer came: the name, the connection, a time limit
├── BadAnswer          something answered, and not as a gateway does
├── ProblemError       the gateway's problem document (RFC 9457); `code` is stable
│   ├── AccessDenied   401, 403: a key, a token or a signature is missing, wrong or expired
│   ├── NotFound       404: unknown, expired or deleted
│   ├── OriginChanged  409 `origin_changed`: create the same list again
│   └── Busy           429, 503: ask again after `retry_after` seconds
├── ArchiveFailed      the archive cannot be built; `left_out` says which entries, and why
├── DownloadBroken     the download ended early; what is there stays, and the next one goes on from it
└── CannotSave         the file cannot be written, or another download writes it, or is of another archive
"""

from collections.abc import Mapping
from typing import Any

MOST_FAULTS = 100  # wrong fields of one request that are kept
MOST_TEXT = 2000  # characters of an error's sentence: another server may say anything


class GatewayError(Exception):
    """Every error of this package; its text is one sentence for a person."""

    code: str | None = None


class Unreachable(GatewayError):
    """No answer came."""


class BadAnswer(GatewayError):
    """An answer that no gateway gives: another server, or a proxy's own page."""


class ProblemError(GatewayError):
    """The gateway refused. `errors`: the wrong fields of a request, by JSON Pointer (RFC 6901)."""

    def __init__(self, status: int, document: Mapping[str, Any], *, retry_after: float | None = None) -> None:
        self.status = status
        self.code: str = str(document.get("code", "unknown"))
        errors = document.get("errors")
        faults = errors[:MOST_FAULTS] if isinstance(errors, list) else []
        self.errors: list[dict[str, str]] = [fault for fault in faults if isinstance(fault, dict)]
        self.retry_after = retry_after
        named = "; ".join(f"{fault.get('pointer', '')}: {fault.get('detail', '')}" for fault in self.errors)
        super().__init__(f"{status}: {named or document.get('detail') or self.code}"[:MOST_TEXT])


class AccessDenied(ProblemError):
    """A key, a token or a link's signature is missing, wrong or expired."""


class NotFound(ProblemError):
    """The archive is unknown, expired or deleted."""


class OriginChanged(ProblemError):
    """A file changed after bytes of it were given out; a new create makes the next archive."""


class Busy(ProblemError):
    """Not now: it is being prepared, or too much is asked. `retry_after` says when to ask again."""


class ArchiveFailed(GatewayError):
    """The archive cannot be built. `left_out`: the entries that could not be had."""

    def __init__(self, code: str, left_out: tuple[str, ...]) -> None:
        self.code: str = code
        self.left_out = left_out
        super().__init__("; ".join([f"the archive failed ({code})", *left_out]))


class DownloadBroken(GatewayError):
    """The download ended before its end, more often than the client was told to try."""


class CannotSave(GatewayError):
    """The download's file cannot be written, or must not be."""


def problem(status: int, document: Mapping[str, Any], retry_after: float | None) -> ProblemError:
    """Return the error for a problem document, by its status and code."""
    if document.get("code") == "origin_changed":
        kind: type[ProblemError] = OriginChanged
    else:
        kinds = {401: AccessDenied, 403: AccessDenied, 404: NotFound, 429: Busy, 503: Busy}
        kind = kinds.get(status, ProblemError)
    return kind(status, document, retry_after=retry_after)
