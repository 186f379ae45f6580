"""An error as an RFC 9457 problem document: a stable `code` beside the standard members, never a stack trace."""

import json
from typing import Any, cast

from starlette.responses import Response

from streamzip.edge.answers import ProblemDocument
from streamzip.errors import Problem
from streamzip.logs import REQUEST_ID


class ProblemResponse(Response):
    """A problem document; never stored by a cache."""

    media_type = "application/problem+json"

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        members: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        document: ProblemDocument = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
        }
        document.update(cast(ProblemDocument, members or {}))
        if (request_id := REQUEST_ID.get()) is not None:
            document["request_id"] = request_id
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        body = json.dumps(document, ensure_ascii=False).encode(errors="replace")
        super().__init__(body, status, headers)


def http_1_1_needed(instead: str) -> Response:
    """Return 505 for what only chunks can end (RFC 9112 §7.1); `instead` says what HTTP/1.0 may ask for."""
    detail = f"Ask by HTTP/1.1, or {instead}. Behind nginx that is set by `proxy_http_version 1.1`."
    return ProblemResponse(505, "http_version", "HTTP/1.1 is needed", detail)


def respond(problem: Problem) -> Response:
    """Return the problem as a response."""
    response = ProblemResponse(
        problem.status,
        problem.code,
        problem.title,
        problem.detail,
        members=problem.members(),
        retry_after=problem.retry_after,
    )
    if problem.status == 401:  # RFC 9110 §15.5.2 asks for it
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
