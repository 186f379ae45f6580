"""The archive's resource: create, status, prefetch, delete."""

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamzip.access.links import LinksDocument
from streamzip.archives.answers import ArchiveCreated
from streamzip.archives.create import Created
from streamzip.archives.documents import ArchivePage, ArchiveSummary, renamed_document
from streamzip.archives.status import Asked
from streamzip.clock import rfc3339
from streamzip.config import Settings
from streamzip.edge.bodies import HeldBodies, body_limit
from streamzip.edge.fields import NO_STORE
from streamzip.edge.request_log import about
from streamzip.errors import FieldError, Forbidden, InvalidRequest
from streamzip.gateway import Gateway
from streamzip.guards.auth import Auth, owner_of, until_of
from streamzip.guards.links import Links
from streamzip.guards.rates import Rate, client_of
from streamzip.manifest.parse import CreateRequest, Limits, parse_create

T = TypeVar("T")

Parser = Callable[..., CreateRequest]  # as parse_create

MOST_LISTED = 1000  # archives on one page
LONG_BODY = 64 << 10  # bytes


@dataclass(frozen=True, slots=True)
class Archives:
    """The handlers, over one gateway."""

    gateway: Gateway
    settings: Settings
    links: Links
    auth: Auth
    bodies: HeldBodies
    entries: Rate
    pool: Executor  # of one thread: several long bodies at once would hold the interpreter from everybody else

    async def parse(self, request: Request, parser: Parser = parse_create) -> CreateRequest:
        """Parse a create's body, in the form that `parser` reads. Raises what HeldBodies and the parser do."""
        async with self.bodies.read(request, body_limit(request)) as body:
            return await self.read(request, body, parser)

    async def read(self, request: Request, body: bytes | bytearray, parser: Parser = parse_create) -> CreateRequest:
        """Parse a body that is here already, for the one who sent this request. Raises what the parser does, and
        TooMany where that client has had as many entries as it may.
        """
        limits = Limits(max_entries=self.settings.max_entries)
        parse = partial(parser, body, limits, owner=owner_of(request), allow=self.settings.exempt)
        asked = await self.aside(parse, len(body))
        self.entries.check(client_of(request), len(asked.manifest.entries))
        return asked

    async def aside(self, work: Callable[[], T], length: int) -> T:
        """Return what `work` makes of `length` bytes. Many are read aside: a long list takes tenths of a second."""
        return work() if length < LONG_BODY else await asyncio.get_running_loop().run_in_executor(self.pool, work)

    async def create(self, request: Request) -> Response:
        """POST /api/archive/create"""
        created = await self.keep(request)
        document = self._created(request, created)
        headers = NO_STORE | {"Location": document["status_url"]}
        return JSONResponse(document, 200 if created.existed else 201, headers)

    async def keep(self, request: Request, parser: Parser = parse_create, *, prefetch: bool | None = None) -> Created:
        """Keep what the body asks for, on this gateway's terms. `prefetch`: whatever the body says of it."""
        self.links.base(request)  # without a Host it is refused before anything is stored
        created = await self.store(await self.parse(request, parser), prefetch=prefetch)
        about(request.scope, created.row.hash)
        return created

    async def store(self, asked: CreateRequest, *, prefetch: bool | None = None) -> Created:
        """Keep what was parsed, as `keep` does."""
        wished = self.prefetches(asked) if prefetch is None else prefetch
        lifetime = self.settings.default_ttl if asked.expires_in is None else asked.expires_in
        return await self.gateway.creates.create(asked, prefetch=wished, lifetime=lifetime)

    def prefetches(self, asked: CreateRequest) -> bool:
        """Return whether to build at once: as asked, else as the gateway is configured."""
        if asked.prefetch is not None:
            return asked.prefetch
        return self.settings.prefetch == "all" or (self.settings.prefetch == "urls" and asked.plain)

    def _created(self, request: Request, created: Created) -> ArchiveCreated:
        row, renamed = created.row, renamed_document(created.renamed)
        links = self.links.archive(request, row.hash, entitled=True)  # whoever asks has just made it
        document: ArchiveCreated = {
            "archive_hash": row.hash,
            "status": created.status,
            "url": links["url"],
            "status_url": links["status_url"],
            "entries": row.entries,
            "delete_token": created.delete_token,
            "renamed": renamed["renamed"],
            "renamed_total": renamed["renamed_total"],
            "expires_at": None if row.expires_at is None else rfc3339(row.expires_at),
        }
        if created.webhook_secret is not None:
            document["webhook_secret"] = created.webhook_secret
        return document

    async def status(self, request: Request) -> Response:
        """GET /api/archive/status/{hash}"""
        return await self.told(request, _asked(request))

    async def told(self, request: Request, asked: Asked, status: int = 200) -> Response:
        """Answer with the status document, with the links that this client is to have. Raises NotFound."""
        look, links = await self.gateway.statuses.look(asked), await self.archive_links(request)
        body = look.head + b", " + json.dumps(links)[1:].encode()
        return Response(body, status, NO_STORE, "application/json")

    async def archive_links(self, request: Request) -> LinksDocument:
        """Return the archive's links, as this client is to have them. Raises NotFound."""
        hash = request.path_params["hash"]
        entitled = await self.auth.entitles(request, hash)
        return self.links.archive(request, hash, entitled=entitled, until=until_of(request))

    async def page(self, request: Request) -> Response:
        """GET /api/archive: the archives of the key that asks, the newest first."""
        owner = owner_of(request)
        if owner is None:
            raise Forbidden("archives are listed for API keys, and this gateway has none")
        limit, before = page_of(request.query_params.get("limit", "50"), request.query_params.get("after"))
        found, rest = await self.gateway.statuses.page(owner, limit=limit, before=before)
        base = self.links.base(request)
        following = None if rest is None else f"{base}/api/archive?limit={limit}&after={rest[0]!r}_{rest[1]}"
        archives: list[ArchiveSummary] = [
            {**each, **self.links.archive(request, each["archive_hash"], entitled=True)} for each in found
        ]
        page: ArchivePage = {"archives": archives, "next": following}
        return JSONResponse(page, headers=NO_STORE)

    async def prefetch(self, request: Request) -> Response:
        """POST /api/archive/prefetch/{hash}"""
        queued = await self.gateway.builds.prefetch(request.path_params["hash"])
        return await self.told(request, Asked(request.path_params["hash"]), 202 if queued else 200)

    async def cancel_prefetch(self, request: Request) -> Response:
        """DELETE /api/archive/prefetch/{hash}"""
        await self.gateway.builds.cancel(request.path_params["hash"])
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        """DELETE /api/archive/{hash}"""
        await self.gateway.removal.delete(request.path_params["hash"])
        return Response(status_code=204)


def _asked(request: Request) -> Asked:
    """Return what a status is to hold, from its query. Raises InvalidRequest."""
    query = request.query_params
    members_from = _index(query, "members_from") if query.get("entries") == "1" else None
    return Asked(request.path_params["hash"], _index(query, "errors_from"), members_from)


def _index(query: QueryParams, name: str) -> int:
    value = query.get(name, "0")
    if not re.fullmatch("[0-9]{1,9}", value, re.ASCII):
        raise InvalidRequest([FieldError(f"/{name}", "an entry's index is expected, counted from 0")])
    return int(value)


def page_of(limit: str, after: str | None) -> tuple[int, tuple[float, str] | None]:
    """Return what a list's query asks for: how many, and after which. Raises InvalidRequest."""
    if not re.fullmatch("[1-9][0-9]{0,3}", limit) or int(limit) > MOST_LISTED:
        raise InvalidRequest([FieldError("/limit", f"a number from 1 to {MOST_LISTED} is expected")])
    if after is None:
        return int(limit), None
    if not re.fullmatch(r"[0-9]{1,12}\.[0-9]{1,12}_[0-9a-f]{32}", after):
        raise InvalidRequest([FieldError("/after", "it is taken from the last page's `next`")])
    when, _, hash = after.partition("_")
    return int(limit), (float(when), hash)
