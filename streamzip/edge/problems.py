"""What is answered when a handler raises: a problem document, and a page to a person who opened a link."""

import logging
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from streamzip.edge.problem_document import ProblemResponse, respond
from streamzip.edge.request_log import LEFT, told_of
from streamzip.errors import NotReady, Problem
from streamzip.logs import event
from streamzip.web.frame import is_browser
from streamzip.web.told import is_link, problem_page

logger = logging.getLogger(__name__)

_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


async def on_problem(request: Request, error: Exception) -> Response:
    """Starlette's handler for our own errors: a document, and a page to a person who opened a link."""
    if not isinstance(error, Problem):
        raise error
    if error.status >= 500:
        event(logger, logging.WARNING, "problem", code=error.code, detail=error.detail, **told_of(request.scope))
    return problem_page(request, error) if is_browser(request) and is_link(request) else respond(error)


async def on_disk_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for what the disk says: the same as of a store that cannot be used, and no fault of ours."""
    if not isinstance(error, OSError) or error.errno is None or isinstance(error, ConnectionError):
        raise error
    return await on_problem(
        request, NotReady(f"the disk cannot be used: {error.strerror}", code="disk_unavailable", retry_after=10)
    )


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for its own errors: no route, a method that the route does not have."""
    if not isinstance(error, HTTPException):
        raise error
    response = ProblemResponse(
        error.status_code, _CODES.get(error.status_code, "bad_request"), error.detail, error.detail
    )
    response.headers.update(error.headers or {})
    if error.status_code == 405:  # Starlette names one route's methods; a path may have several (RFC 9110 §15.5.6)
        response.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    routes: list[Any] = request.app.routes
    return {method for route in routes if route.matches(request.scope)[0] != Match.NONE for method in route.methods}


async def on_hang_up(_: Request, __: Exception) -> Response:
    """Answer nobody: the client left before its body was whole, which is no failure."""
    return Response(status_code=LEFT)


async def on_unexpected(_: Request, __: Exception) -> Response:
    """Whatever nobody foresaw: told without its trace, which the request's log has."""
    return ProblemResponse(500, "internal", "The gateway failed", "An unexpected error; it has been logged.")
