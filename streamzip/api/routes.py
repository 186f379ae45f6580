"""The HTTP interface as an application: a route for each row of the table of operations."""

import asyncio
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Scope

from streamzip.api.admin import Admin
from streamzip.api.archives import Archives
from streamzip.api.contract import Operation
from streamzip.api.described import Described
from streamzip.api.download import Downloads
from streamzip.api.download_now import DownloadNow
from streamzip.api.health import Health
from streamzip.api.interface import Interface, Layer
from streamzip.api.key_value import KeyValue
from streamzip.api.login import Login
from streamzip.api.openapi import document
from streamzip.api.operations import OPERATIONS
from streamzip.api.progress import Progress
from streamzip.api.site import Pages, Site
from streamzip.clock import Clock
from streamzip.config import Settings
from streamzip.edge.bodies import BoundedBody, HeldBodies
from streamzip.edge.connection import Connections
from streamzip.edge.cors import shared
from streamzip.edge.heads import Heads
from streamzip.edge.hosts import Hosts, authority
from streamzip.edge.problems import on_disk_error, on_hang_up, on_http_error, on_problem, on_unexpected
from streamzip.edge.proxies import Proxies
from streamzip.edge.request_log import RequestLog
from streamzip.edge.sites import Sites
from streamzip.errors import Problem
from streamzip.gateway import Gateway
from streamzip.guards.auth import Auth
from streamzip.guards.links import Links
from streamzip.guards.rates import Rate

BODIES = 2  # of the largest size, that creates may have in memory at once


def build(
    gateway: Gateway,
    settings: Settings,
    links: Links,
    auth: Auth,
    clock: Clock,
    *,
    downloads: Downloads,
    entries: Rate,
    pages: Pages,
    features: Sequence[object],
    leaving: asyncio.Event,
    layers: Sequence[Layer] = (),
) -> ASGIApp:
    """Return the application: routes, error handlers, and the connection beneath them.

    `entries`: what each client has left; `pages`: what the form for a page's images calls; `features`: the handlers of
    each; `leaving`: the process is to end; `layers`: other interfaces, which are asked before the gateway's own.
    """
    bodies = HeldBodies(BODIES * settings.max_body_bytes)
    parsing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parsing")
    archives = Archives(gateway, settings, links, auth, bodies, entries, parsing)
    public = None if settings.public_url is None else authority(settings.public_url.split("/")[2])
    sites = Sites(public, settings.cors_origins)
    doors = (
        *(archives, downloads, DownloadNow(archives, downloads), Progress(archives, gateway.watches)),
        *(KeyValue(archives, downloads), Health(gateway, leaving)),
        Described(partial(document, OPERATIONS, settings.public_url or "/")),
        Site(archives, gateway, pages, auth, settings, clock),
        Login(auth, links, sites, clock),
        Admin(gateway, links),
        *features,
    )
    rate = Rate(settings.creates_per_minute, clock)
    routes = [_route(operation, doors, settings, rate, auth) for operation in OPERATIONS]
    handlers = {
        Problem: on_problem,
        HTTPException: on_http_error,
        ClientDisconnect: on_hang_up,
        OSError: on_disk_error,
        Exception: on_unexpected,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # it would mend what was signed otherwise
    hosts = Hosts(None if auth.keys else {*settings.allowed_hosts, *([public.host] if public else [])})
    proxies = Proxies(settings.trusted_proxies)
    interface = Interface(archives, downloads, auth, rate, partial(_has_route, app))
    inner: ASGIApp = app
    for layer in layers:
        inner = layer.over(inner, interface)
    answered = Heads(shared(inner, settings.cors_origins), hosts, proxies, sites)
    paths = {route.endpoint: route.path for route in routes}
    return Connections(RequestLog(answered, proxies, paths, lines=settings.access_log))


def _route(operation: Operation, doors: Sequence[object], settings: Settings, rate: Rate, auth: Auth) -> Route:
    """Return the operation's route. Who may is judged first, then how often, and both before the body is read."""
    (handler,) = (
        getattr(door, operation.handler.__name__)
        for door in doors
        if getattr(type(door), operation.handler.__name__, None) is operation.handler
    )
    route = Route(operation.path, handler, methods=[operation.method])
    # Starlette's patterns end in `$`, which a line feed may follow: `/healthz%0a` is another path.
    route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$") + r"\Z")
    most = settings.max_body_bytes if operation.most is None else min(operation.most, settings.max_body_bytes)
    app: ASGIApp = BoundedBody(route.app, most)
    route.app = auth.guarded(rate.limited(app) if operation.counted else app, operation.access)
    return route


def _has_route(app: Starlette, scope: Scope) -> bool:
    return any(route.matches(scope)[0] is not Match.NONE for route in app.routes)
