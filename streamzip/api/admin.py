"""The operator's resource, for admin keys alone: archives of all owners, what is pulled, the queue, and stepping in."""

import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamzip.api.archives import MOST_LISTED, page_of
from streamzip.archives.oversight_answers import AdminPage, AdminPulled, AdminQueue, AdminRetried
from streamzip.edge.fields import NO_STORE
from streamzip.errors import FieldError, InvalidRequest
from streamzip.gateway import Gateway
from streamzip.guards.links import Links


@dataclass(frozen=True, slots=True)
class Admin:
    """The handlers."""

    gateway: Gateway
    links: Links

    async def list_all(self, request: Request) -> Response:
        """GET /api/admin/archives"""
        query = request.query_params
        limit, before = page_of(query.get("limit", "50"), query.get("after"))
        owner = query.get("owner")
        found, rest = await self.gateway.oversight.page(limit=limit, before=before, owner=owner)
        following = None
        if rest is not None:
            url = request.url.include_query_params(limit=limit, after=f"{rest[0]!r}_{rest[1]}")
            following = f"{self.links.base(request)}/api/admin/archives?{url.query}"
        return JSONResponse(AdminPage(archives=found, next=following), headers=NO_STORE)

    async def pulled(self, _: Request) -> Response:
        """GET /api/admin/pulled"""
        return JSONResponse(AdminPulled(archives=await self.gateway.oversight.pulled()), headers=NO_STORE)

    async def show(self, request: Request) -> Response:
        """GET /api/admin/archives/{hash}"""
        return JSONResponse(await self.gateway.oversight.show(request.path_params["hash"]), headers=NO_STORE)

    async def remove(self, request: Request) -> Response:
        """DELETE /api/admin/archives/{hash}"""
        await self.gateway.oversight.delete(request.path_params["hash"])
        return Response(status_code=204)

    async def evict(self, request: Request) -> Response:
        """DELETE /api/admin/copies/{hash}"""
        await self.gateway.oversight.evict(request.path_params["hash"])
        return Response(status_code=204)

    async def queue(self, request: Request) -> Response:
        """GET /api/admin/queue"""
        limit = request.query_params.get("limit", "50")
        if not re.fullmatch("[1-9][0-9]{0,3}", limit, re.ASCII) or int(limit) > MOST_LISTED:
            raise InvalidRequest([FieldError("/limit", f"a number from 1 to {MOST_LISTED} is expected")])
        total, rows = await self.gateway.oversight.queue(limit=int(limit))
        return JSONResponse(AdminQueue(total=total, queue=rows), headers=NO_STORE)

    async def retry(self, request: Request) -> Response:
        """POST /api/admin/queue/{work}"""
        begun = await self.gateway.oversight.retry(request.path_params["work"])
        return JSONResponse(AdminRetried(queues=begun), headers=NO_STORE)
