"""The routes of the interface, built over parts that none of them is asked of."""

import asyncio
from concurrent.futures import Executor
from dataclasses import fields
from typing import Any, cast

from starlette.routing import Route

from streamzip.access.api_keys import ApiKeys
from streamzip.access.sessions import Sessions
from streamzip.api.download import Downloads
from streamzip.api.routes import build
from streamzip.clock import SystemClock
from streamzip.config import Settings
from streamzip.folders.door import Folders
from streamzip.gateway import Gateway
from streamzip.guards.auth import Auth, Ended, Owners
from streamzip.guards.links import Links
from streamzip.guards.rates import Rate
from streamzip.uploads.door import UploadDoor
from streamzip.uploads.port import Uploads
from streamzip.webpages.door import Webpages
from streamzip.webpages.downloads import WebpageDownloads


def routes() -> list[Route]:
    """Return every route, in order."""
    settings, clock = Settings(_env_file=None), SystemClock()  # type: ignore[call-arg]
    links, pages, disk = cast(Links, None), cast(WebpageDownloads, None), cast(Executor, None)
    auth = Auth(ApiKeys(), None, cast(Sessions, None), clock, cast(Owners, None), cast(Ended, None))
    gateway = Gateway(*[cast(Any, None)] * len(fields(Gateway)))
    downloads, entries = Downloads(gateway, settings, clock), Rate(0, clock)
    features = (
        UploadDoor(cast(Uploads, None), gateway, settings, links, auth, clock),
        Folders(settings, clock, disk),
        Webpages(pages, gateway, downloads, links, settings, entries),
    )
    inner: Any = build(
        *(gateway, settings, links, auth, clock),
        downloads=downloads,
        entries=entries,
        pages=pages,
        features=features,
        leaving=asyncio.Event(),
    )
    while not hasattr(inner, "routes"):
        inner = inner._app
    return list(inner.routes)
