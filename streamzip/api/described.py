"""The interface described by itself: for programs, for people."""

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from streamzip.api.docs_page import page
from streamzip.api.openapi import document

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
_ALONE = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True)
class Described:
    """The handlers. `server`: the base of the paths."""

    server: str

    @cached_property
    def _document(self) -> Response:
        return JSONResponse(document(self.server), headers=_HEADERS)

    @cached_property
    def _page(self) -> Response:
        return HTMLResponse(page(document(self.server)), headers=_HEADERS | {"Content-Security-Policy": _ALONE})

    @cached_property
    def _style(self) -> Response:
        css = (files("streamzip.api") / "docs_style.css").read_text("utf-8")
        return Response(css, media_type="text/css", headers=_HEADERS)

    async def openapi(self, _: Request) -> Response:
        """GET | HEAD /openapi.json"""
        return self._document

    async def docs(self, _: Request) -> Response:
        """GET | HEAD /docs"""
        return self._page

    async def style(self, _: Request) -> Response:
        """GET | HEAD /docs/style.css"""
        return self._style
