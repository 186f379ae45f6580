"""The page of uploads."""

from collections.abc import Sequence
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from streamzip.clock import rfc3339
from streamzip.guards.login_page import Session
from streamzip.uploads.port import Upload
from streamzip.web.frame import render


class Row(NamedTuple):
    """A file of the list. `link`, `delete`: relative, as the page's are."""

    upload: Upload
    link: str
    delete: str


def upload_page(
    request: Request, rows: Sequence[Row], extensions: tuple[str, ...], most: int, session: Session | None
) -> Response:
    """Return the files that are there, and the form for one more."""
    shown = [
        {
            "name": row.upload.name,
            "link": row.link,
            "delete": row.delete,
            "size": row.upload.size,
            "when": rfc3339(row.upload.created_at),
        }
        for row in rows
    ]
    values = {"session": session, "rows": shown, "extensions": extensions, "most": most}
    return render(request, "uploads.html", values)
