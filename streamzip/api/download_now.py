"""Create and download in one request."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from streamzip.api.archives import Archives
from streamzip.api.download import Downloads


@dataclass(frozen=True, slots=True)
class DownloadNow:
    """The handler."""

    archives: Archives
    downloads: Downloads

    async def post(self, request: Request) -> Response:
        """POST /api/archive/download: create's body; the answer is the archive itself."""
        created = await self.archives.keep(request, prefetch=False)
        return await self.downloads.send(request, created.row.hash)
