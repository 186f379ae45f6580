"""The key–value form of create and get: one named file, or some, under a key. The key is the archive's hash."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamzip.api.archives import Archives
from streamzip.api.download import Downloads
from streamzip.edge.fields import NO_STORE
from streamzip.manifest.parse import parse_key_value


@dataclass(frozen=True, slots=True)
class KeyValue:
    """The handlers, over those of the archives."""

    archives: Archives
    downloads: Downloads

    async def create(self, request: Request) -> Response:
        """POST /archive_img: 201 also where the same files were posted before; its clients know no other answer."""
        created = await self.archives.keep(request, parse_key_value)
        headers = NO_STORE | {"Location": self.archives.links.signed(request, f"/archive_img/{created.row.hash}")}
        return JSONResponse({"key": created.row.hash}, 201, headers)

    async def get(self, request: Request) -> Response:
        """GET | HEAD /archive_img/{key}"""
        return await self.downloads.send(request, request.path_params["key"])
