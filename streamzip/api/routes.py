"""Every path of the HTTP interface, in one table."""

import asyncio
import re
from concurrent.futures import Executor, ThreadPoolExecutor

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from streamzip.access.links import ArchiveLinks
from streamzip.api.archives import Archives
from streamzip.api.auth import Auth
from streamzip.api.described import Described
from streamzip.api.download import Downloads
from streamzip.api.folders import Folders
from streamzip.api.key_value import KeyValue
from streamzip.api.links import Links
from streamzip.api.login import Login
from streamzip.api.operations import Operations
from streamzip.api.progress import Progress
from streamzip.api.rates import Rate
from streamzip.api.site import Site
from streamzip.api.uploads import UploadDoor
from streamzip.api.webpages import Webpages
from streamzip.archives.watching import Watches
from streamzip.clock import Clock
from streamzip.config import Settings
from streamzip.edge.bodies import HeldBodies
from streamzip.edge.connection import Connections
from streamzip.edge.cors import shared
from streamzip.edge.heads import Heads
from streamzip.edge.hosts import Hosts, authority
from streamzip.edge.problems import on_hang_up, on_http_error, on_problem, on_unexpected
from streamzip.edge.proxies import Proxies
from streamzip.edge.request_log import RequestLog
from streamzip.edge.sites import Sites
from streamzip.errors import Problem
from streamzip.gateway import Gateway
from streamzip.jobs.webpages import WebpageDownloads
from streamzip.uploads.files import Uploads

BODIES = 2  # of the largest size, that creates may have in memory at once


def build(
    gateway: Gateway,
    uploads: Uploads,
    settings: Settings,
    links: ArchiveLinks,
    auth: Auth,
    pages: WebpageDownloads,
    clock: Clock,
    watches: Watches,
    leaving: asyncio.Event,
    disk: Executor,
) -> ASGIApp:
    """The application: routes, error handlers, and the connection beneath them. `leaving`: the process is to end;
    `disk`: what reads folders and uploads.
    """
    entries = Rate(settings.entries_per_minute, clock, "entries")
    bodies = HeldBodies(BODIES * settings.max_body_bytes)
    parsing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parsing")
    archives = Archives(gateway, settings, Links(links), auth, bodies, entries, parsing)
    downloads = Downloads(gateway, settings, clock)
    progress = Progress(archives, watches)
    key_value = KeyValue(archives, downloads)
    webpages = Webpages(pages, gateway, downloads, archives.links, settings, entries)
    operations = Operations(gateway, leaving)
    described = Described(settings.public_url or "/")
    folders = Folders(settings, clock, disk)
    door = UploadDoor(uploads, gateway, settings, archives.links, auth, clock, disk)
    public = None if settings.public_url is None else authority(settings.public_url.split("/")[2])
    sites = Sites(public, settings.cors_origins)
    site = Site(archives, gateway, pages, auth, settings, clock)
    login = Login(auth, archives.links, sites, clock)

    async def download_now(request: Request) -> Response:
        """POST /api/archive/download: create's body; the answer is the archive itself."""
        created = await archives.keep(request, prefetch=False)
        return await downloads.send(request, created.row.hash)

    routes = [
        Route("/api/archive/create", archives.create, methods=["POST"]),
        Route("/api/archive/download", download_now, methods=["POST"]),
        Route("/api/archive/status/{hash}", archives.status),
        Route("/api/archive/events/{hash}", progress.events),
        Route("/api/archive/prefetch/{hash}", archives.prefetch, methods=["POST"]),
        Route("/api/archive/prefetch/{hash}", archives.cancel_prefetch, methods=["DELETE"]),
        Route("/api/archive", archives.page),
        Route("/api/archive/{hash}", archives.delete, methods=["DELETE"]),
        Route("/archive/get/{hash}.zip", downloads.get, methods=["GET", "HEAD"]),
        Route("/archive/{folder}", folders.without_slash, methods=["GET", "HEAD"]),
        Route("/archive/{folder}/", folders.get, methods=["GET", "HEAD"]),
        Route("/archive_img", key_value.create, methods=["POST"]),
        Route("/archive_img/{key}", key_value.get, methods=["GET", "HEAD"]),
        Route("/download", webpages.create, methods=["POST"]),
        # No upload's name has this form: each ends in an extension.
        Route("/download/{id:uuid}", webpages.get, methods=["GET", "HEAD"]),
        Route("/", site.home),
        Route("/new", site.new, methods=["POST"]),
        Route("/assets/{name}", site.asset),
        Route("/a/{hash}", site.archive),
        Route("/a/{hash}/files/{page}", site.files),
        Route("/a/{hash}/build", site.build, methods=["POST"]),
        Route("/a/{hash}/delete", site.delete, methods=["POST"]),
        Route("/login", login.page),
        Route("/login", login.enter, methods=["POST"]),
        Route("/logout", login.leave, methods=["POST"]),
        Route("/upload", door.page),
        Route("/upload", door.form, methods=["POST"]),
        Route("/upload/{name}", door.raw, methods=["POST"]),
        Route("/upload/{name}", door.delete, methods=["DELETE"]),
        Route("/download", door.listing),
        Route("/download/{name}", door.download, methods=["GET", "HEAD"]),
        Route("/healthz", operations.healthz),
        Route("/readyz", operations.readyz),
        Route("/health_check", operations.health_check),
        Route("/openapi.json", described.openapi),
        Route("/docs", described.docs),
        Route("/docs/style.css", described.style),
    ]
    rate = Rate(settings.creates_per_minute, clock)
    for route in routes:
        # Starlette's patterns end in `$`, which a line feed may follow: `/healthz%0a` is another path.
        route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$") + r"\Z")
        rate.limited(route)
        auth.guarded(route)
    handlers = {
        Problem: on_problem,
        HTTPException: on_http_error,
        ClientDisconnect: on_hang_up,
        Exception: on_unexpected,
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # it would mend what was signed otherwise
    hosts = Hosts(None if auth.keys else {*settings.allowed_hosts, *([public.host] if public else [])})
    proxies = Proxies(settings.trusted_proxies)
    answered = Heads(shared(app, settings.cors_origins), hosts, proxies, sites)
    return Connections(RequestLog(answered, proxies, lines=settings.access_log))
