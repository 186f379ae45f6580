"""The images of a web page: asked for by its URL, collected in the background, had as a zip under an id."""

from dataclasses import dataclass
from typing import Literal, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamzip.config import Settings
from streamzip.edge.bodies import body_limit, read_body
from streamzip.edge.fields import NO_STORE
from streamzip.gateway import Gateway
from streamzip.guards.auth import owner_of
from streamzip.guards.links import Links
from streamzip.guards.rates import Rate, client_of
from streamzip.manifest.parse import Limits, parse_page
from streamzip.web.frame import is_browser
from streamzip.web.told import preparing_page
from streamzip.webpages.answers import DownloadAccepted, DownloadPending
from streamzip.webpages.downloads import WebpageDownloads


class Sends(Protocol):
    """Sends archives."""

    async def send(self, request: Request, archive_hash: str) -> Response:
        """Return the archive as the request wants it. Raises Problem while nothing has been sent."""


@dataclass(frozen=True, slots=True)
class Webpages:
    """The handlers."""

    pages: WebpageDownloads
    gateway: Gateway
    downloads: Sends
    links: Links
    settings: Settings
    entries: Rate

    async def create(self, request: Request) -> Response:
        """POST /download"""
        self.links.base(request)  # without a Host it is refused before anything is stored
        body = await read_body(request, body_limit(request))
        url = parse_page(body, Limits(max_entries=1), allow=self.settings.exempt)
        self.entries.check(client_of(request), self.settings.page_images)
        id = await self.pages.add(url, owner=owner_of(request))
        location = self.links.signed(request, f"/download/{id}")
        document: DownloadAccepted = {"download_id": id}
        return JSONResponse(document, 202, NO_STORE | {"Location": location})

    async def get(self, request: Request) -> Response:
        """GET | HEAD /download/{id}: the zip once it is built; what it lacks then, this reader pulls."""
        id = str(request.path_params["id"])
        hash = await self.pages.archive(id)
        if hash is not None and not await self.gateway.builds.building(hash):
            return await self.downloads.send(request, hash)
        state: Literal["pending", "in-progress"] = "pending" if hash is None else "in-progress"
        if is_browser(request):
            return preparing_page(request, status=202, wait=1, title="collecting_title")
        document: DownloadPending = {"download_id": id, "status": state}
        if hash is None and (reason := await self.pages.reason(id)) is not None:
            document["reason"] = reason
        return JSONResponse(document, 202, NO_STORE | {"Retry-After": "1"})
