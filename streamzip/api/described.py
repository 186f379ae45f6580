"""The interface described by itself: for programs, for people."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from streamzip.api.docs_page import body
from streamzip.web.frame import render

_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}


@dataclass(frozen=True)
class Described:
    """The handlers. `document` makes the OpenAPI document, when it is first asked for."""

    document: Callable[[], dict[str, Any]]

    @cached_property
    def _document(self) -> Response:
        return JSONResponse(self.document(), headers=_HEADERS)

    @cached_property
    def _body(self) -> Markup:
        return Markup(body(self.document()))  # noqa: S704 - docs_page.py escapes what is put into it

    @cached_property
    def _style(self) -> Response:
        css = (files("streamzip.api") / "docs_style.css").read_text("utf-8")
        return Response(css, media_type="text/css", headers=_HEADERS)

    async def openapi(self, _: Request) -> Response:
        """GET | HEAD /openapi.json"""
        return self._document

    async def docs(self, request: Request) -> Response:
        """GET | HEAD /docs"""
        return render(request, "docs.html", {"session": None, "body": self._body})

    async def with_slash(self, _: Request) -> Response:
        """GET | HEAD /docs/"""
        return RedirectResponse("../docs", headers=_HEADERS)  # relative: the proxy may have put a prefix before it

    async def style(self, _: Request) -> Response:
        """GET | HEAD /docs/style.css"""
        return self._style
