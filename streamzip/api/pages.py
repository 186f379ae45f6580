"""The pages of uploads and of logging in."""

from collections.abc import Sequence
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from streamzip.clock import rfc3339
from streamzip.uploads.files import Upload
from streamzip.web.frame import render
from streamzip.web.told import depth_of

PROOF = "token"  # the field of a session's forms that shows where they come from


class Row(NamedTuple):
    """A file of the list. `link`: relative, as the page's are."""

    upload: Upload
    link: str


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


def upload_page(
    request: Request, rows: Sequence[Row], extensions: tuple[str, ...], most: str, session: Session | None
) -> Response:
    """Return the files that are there, and the form for one more."""
    shown = [
        {"name": row.upload.name, "link": row.link, "size": row.upload.size, "when": rfc3339(row.upload.created_at)}
        for row in rows
    ]
    values = {"session": session, "rows": shown, "extensions": extensions, "most": most}
    return render(request, "uploads.html", values)
