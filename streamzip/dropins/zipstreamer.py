"""The interface of scosman/zipstreamer: its paths, its documents and its errors.

    POST /download               a descriptor in, the zip out
    GET  /download?zsurl=|zsid=  the descriptor is fetched
    POST /create_download_link   a descriptor in, the id of a short-lived link out
    GET  /download_link/{id}     the zip

The gateway's own POST and GET /download are told apart by what is in the body and the query.
"""

import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamzip.api.interface import Interface
from streamzip.clock import Clock
from streamzip.dropins.descriptor import Descriptor, Terms, read
from streamzip.dropins.fetching import Lists
from streamzip.dropins.places import leads_out
from streamzip.edge.fields import NO_STORE
from streamzip.edge.problems import on_unexpected
from streamzip.errors import Forbidden, NotJson, OriginError, Problem
from streamzip.guards.access import Access
from streamzip.guards.auth import owner_of
from streamzip.guards.rates import client_of
from streamzip.manifest.parse import Limits
from streamzip.store.links import Links

MOST_PAGE: Final = 16 << 10  # bytes of the request for a web page's images, which has the same path

_ID = re.compile(r"/download_link/([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})", re.ASCII)

_OTHERS: Final = frozenset({"cross-site", "same-site"})  # of Sec-Fetch-Site (Fetch Metadata)

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Zipstreamer:
    """What the operator set. `lists`: where descriptors are fetched; `own_lists` where those under `list_prefix` are;
    `link_ttl`: seconds.
    """

    terms: Terms
    lists: Lists
    own_lists: Lists
    list_prefix: str | None
    links: Links
    link_ttl: float
    clock: Clock

    def over(self, app: ASGIApp, interface: Interface) -> ASGIApp:
        """Return the app behind this interface."""
        return _Layer(self, app, interface)


class _Layer:
    def __init__(self, own: Zipstreamer, app: ASGIApp, interface: Interface) -> None:
        self._own = own
        self._app = app
        self._interface = interface

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handler(scope) if scope["type"] == "http" else None
        if handler is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await handler(request)
        except _NotOursError as other:
            await self._app(scope, _replayed(other.body, receive), send)
            return
        except Problem as problem:
            response = _failed(problem)
        except ClientDisconnect:
            return
        except Exception as error:
            response = await on_unexpected(request, error)
        await response(scope, receive, send)

    def _handler(self, scope: Scope) -> Handler | None:
        method, path = scope["method"], scope["path"]
        if method == "POST":
            return {"/download": self._post, "/create_download_link": self._create_link}.get(path)
        if method not in ("GET", "HEAD"):
            return None
        if path == "/download" and re.search(rb"(?:\A|&)zs(?:url|id)=", scope["query_string"]):
            return self._get
        return self._get_link if path.startswith("/download_link/") else None

    async def _post(self, request: Request) -> Response:
        """POST /download"""
        descriptor = await self._read(request)
        return await self._send(request, descriptor, "invalid entries")

    async def _get(self, request: Request) -> Response:
        """GET | HEAD /download"""
        await self._interface.auth.check(request, Access.KEY)
        if request.headers.get("sec-fetch-site") in _OTHERS and request.headers.get("sec-fetch-dest") != "document":
            raise Forbidden("another site's page may lead here by a link, and not load this", code="cross_site")
        url, id = request.query_params.get("zsurl"), request.query_params.get("zsid")
        lists, prefix = self._own.lists, self._own.list_prefix
        if not url and id and prefix is not None:
            lists, url = self._own.own_lists, prefix + id
            if leads_out(unquote(id)):
                return _error(404, "file not found", "the id leads out of its folder")
        if not url:
            return _error(400, "invalid parameters")
        try:
            body = await lists.fetch(url)
            descriptor = await self._parsed(body)
        except (OriginError, NotJson) as error:
            return _error(404, "file not found", error.message if isinstance(error, OriginError) else error.detail)
        return await self._send(request, descriptor, "invalid entries")

    async def _create_link(self, request: Request) -> Response:
        """POST /create_download_link"""
        descriptor = await self._read(request)
        archive_hash = await self._kept(request, descriptor)
        if archive_hash is None:
            return _error(400, "no files to download")
        id, now = str(uuid.uuid4()), self._own.clock.wall()
        await self._own.links.add(id, archive_hash, now=now, expires_at=now + self._own.link_ttl)
        return JSONResponse({"status": "ok", "link_id": id}, headers=NO_STORE)

    async def _get_link(self, request: Request) -> Response:
        """GET | HEAD /download_link/{id}"""
        id = _ID.fullmatch(request.scope["path"])
        archive_hash = None if id is None else await self._own.links.archive(id[1], now=self._own.clock.wall())
        if archive_hash is None:
            return _error(404, "link not found")
        return await self._interface.downloads.send(request, archive_hash)

    async def _read(self, request: Request) -> Descriptor:
        """Return the body's descriptor. Raises _NotOursError for the request for a web page's images."""
        archives = self._interface.archives
        await self._interface.auth.check(request, Access.KEY)
        async with archives.bodies.read(request, archives.settings.max_body_bytes) as body:
            sent = bytes(body[:MOST_PAGE])
            whole = len(body) == len(sent)
            descriptor = await self._parsed(body)
        if descriptor.page and whole and request.scope["path"] == "/download":
            raise _NotOursError(sent)
        return descriptor

    async def _parsed(self, body: bytes | bytearray) -> Descriptor:
        archives = self._interface.archives
        return await archives.aside(partial(read, body, self._limits), len(body))

    @property
    def _limits(self) -> Limits:
        return Limits(max_entries=self._interface.archives.settings.max_entries)

    async def _send(self, request: Request, descriptor: Descriptor, nothing: str) -> Response:
        archive_hash = await self._kept(request, descriptor)
        if archive_hash is None:
            return _error(400, nothing)
        return await self._interface.downloads.send(request, archive_hash)

    async def _kept(self, request: Request, descriptor: Descriptor) -> str | None:
        """Keep the archive and return its hash; None where the descriptor has no entry that is taken."""
        archives, client = self._interface.archives, client_of(request)
        self._interface.creates.check(client)
        make = partial(descriptor.asked, self._limits, self._own.terms, owner=owner_of(request))
        asked = await archives.aside(partial(make, allow=archives.settings.exempt), 100 * len(descriptor.files))
        if asked is None:
            return None
        archives.entries.check(client, len(asked.manifest.entries))
        return (await archives.store(asked, prefetch=False)).row.hash


class _NotOursError(Exception):
    """The request is in the gateway's own interface. `body`: all of it."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the body that was read already, and then what comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _failed(problem: Problem) -> Response:
    """Return the problem as zipstreamer's clients know errors, with what ours tells beside."""
    if isinstance(problem, NotJson):
        return _error(400, "invalid body", problem.detail)
    response = _error(problem.status, problem.detail, code=problem.code)
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _error(status: int, error: str, detail: str | None = None, code: str | None = None) -> Response:
    told = {"status": "error", "error": error}
    told |= {} if detail is None else {"detail": detail}
    told |= {} if code is None else {"code": code}
    return JSONResponse(told, status, headers=NO_STORE)
