"""What operators and orchestrators ask."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from streamzip.gateway import Gateway


class Operations:
    """The handlers, over one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def healthz(self, _: Request) -> Response:
        """GET /healthz: the process answers."""
        return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})

    async def readyz(self, _: Request) -> Response:
        """GET /readyz: the store and the disk answer too."""
        await self._gateway.ready()
        return JSONResponse({"status": "ready"}, headers={"Cache-Control": "no-store"})

    async def health_check(self, _: Request) -> Response:
        """GET /health_check: the plain form."""
        return PlainTextResponse("OK", headers={"Cache-Control": "no-store"})
