"""The health checks of operators and orchestrators."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from streamzip.errors import Damaged, NotReady
from streamzip.gateway import Gateway
from streamzip.version import VERSION


class Health:
    """The handlers, over one gateway. `leaving`: the process is to end."""

    def __init__(self, gateway: Gateway, leaving: asyncio.Event) -> None:
        self._gateway = gateway
        self._leaving = leaving

    async def healthz(self, _: Request) -> Response:
        """GET /healthz: the process answers."""
        return JSONResponse({"status": "ok", "version": VERSION}, headers={"Cache-Control": "no-store"})

    async def readyz(self, _: Request) -> Response:
        """GET /readyz: the store and the disk take an archive too. Whatever is wrong is a 503: send no clients."""
        if self._leaving.is_set():
            raise NotReady("the gateway is ending; ask another one", code="leaving", retry_after=5)
        try:
            await self._gateway.statuses.ready()
        except Damaged as damage:
            raise NotReady(damage.detail, code=damage.code) from damage
        return JSONResponse({"status": "ready"}, headers={"Cache-Control": "no-store"})

    async def health_check(self, _: Request) -> Response:
        """GET /health_check: the plain form."""
        return PlainTextResponse("OK", headers={"Cache-Control": "no-store"})
