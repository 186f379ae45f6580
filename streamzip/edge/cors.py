"""Which other sites' scripts may use the gateway (Fetch standard, CORS protocol): those that the setting names.

Never with cookies: a script sends an API key, or opens what is open. The pages' sessions are for the pages.
"""

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

# What a script may send and see beside what it always may: the whole of docs/http-api.md.
_SENT = ("Authorization", "Content-Type", "Range", "If-Range", "If-Match", "If-None-Match", "X-Delete-Token")
_SEEN = (
    *("Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "ETag", "Last-Modified"),
    *("Location", "Retry-After", "X-Request-Id"),
)
_REMEMBERED = 600  # seconds that a browser need not ask again


def shared(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Return the app for scripts of these origins too; `*` stands for all, none for none."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=tuple(origins),
        allow_methods=("GET", "HEAD", "POST", "DELETE"),
        allow_headers=_SENT,
        expose_headers=_SEEN,
        max_age=_REMEMBERED,
    )
