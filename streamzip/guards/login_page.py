"""The page that asks for an API key, and what a page knows of who looks at it."""

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from streamzip.web.frame import render
from streamzip.web.told import depth_of

PROOF = "token"  # the field of a session's forms that shows where they come from


class Session(NamedTuple):
    """Who looks at the page, and the token of its forms."""

    owner: str
    token: str


def login_page(request: Request, status: int, *, refused: bool = False) -> Response:
    """Return a form that asks for the API key."""
    # RFC 9110 §15.5.2 asks for the field.
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    to = "upload" if request.scope["path"] == "/upload" else "."
    values = {"session": None, "refused": refused, "to": to}
    return render(request, "login.html", values, status=status, depth=depth_of(request), headers=headers)
