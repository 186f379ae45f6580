"""GET and HEAD of the archive, in every state: never pulled, growing, finished; whole or in ranges."""

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from email.utils import formatdate
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streamzip.archives.download import Facts
from streamzip.clock import Clock
from streamzip.config import Settings
from streamzip.edge.accel import ANNOUNCED_KEY
from streamzip.edge.disposition import attachment
from streamzip.edge.problem_document import http_1_1_needed
from streamzip.edge.representation import Representation, respond
from streamzip.edge.request_log import about
from streamzip.edge.sending import HandedOver
from streamzip.errors import AskedAnew, CopyLost, NotReady
from streamzip.gateway import Gateway
from streamzip.logs import event
from streamzip.manifest.model import Format
from streamzip.web.frame import is_browser
from streamzip.web.told import preparing_page

logger = logging.getLogger(__name__)

MEDIA_TYPES: Final[Mapping[Format, str]] = {"zip": "application/zip", "tar": "application/x-tar"}
_BY_TAG: Final = frozenset(
    {"range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)


class Downloads:
    """The handlers, over one gateway."""

    def __init__(self, gateway: Gateway, settings: Settings, clock: Clock) -> None:
        self._gateway = gateway
        self._settings = settings
        self._clock = clock
        self._told_unannounced = self._told_unread = False

    async def get(self, request: Request) -> Response:
        """GET | HEAD /archive/get/{hash}.zip"""
        try:
            return await self.send(request, request.path_params["hash"])
        except NotReady as problem:
            if request.method == "GET" and "range" not in request.headers and is_browser(request):
                return preparing_page(request, status=503, wait=problem.retry_after or 2)
            raise

    async def send(self, request: Request, archive_hash: str) -> Response:
        """Return the archive as the request wants it. Raises Problem while nothing has been sent."""
        about(request.scope, archive_hash)
        while True:
            try:
                return await self._send(request, archive_hash)
            # So often at most: rounds of asking are bounded, and a copy that was lost is not tried again.
            except (AskedAnew, CopyLost):
                continue

    async def _send(self, request: Request, hash: str) -> Response:
        if self._settings.shared_delivery == "redirect" and _is_plain(request):
            link = await self._gateway.downloads.link(hash)
            if link is not None:
                return RedirectResponse(link, 302, {"Cache-Control": "no-store"})
        async with AsyncExitStack() as stack:
            download = await stack.enter_async_context(self._gateway.downloads.open(hash))
            facts = download.facts
            headers = _headers(facts)
            by_nginx = facts.finished and self._settings.sendfile == "x-accel" and self._may_hand_over(request)
            if facts.length is None and request.scope["http_version"] == "1.0":
                return http_1_1_needed("once the archive is completed")
            selected = Representation(
                noun="archive",
                headers=headers,
                length=facts.length,
                etag=facts.etag,
                last_modified=facts.last_modified,
                read=download.read,
                check_start=download.check_start,
                hand_over=partial(self._hand_over, hash, headers, facts.lapses) if by_nginx else None,
            )
            return await respond(
                request, selected, stack, now=self._clock.wall(), write_timeout=self._settings.write_timeout
            )

    def _may_hand_over(self, request: Request) -> bool:
        """Return whether a trusted proxy says that it sends copies. Where none does, the log says so once."""
        if request.headers.get("x-accel-missing"):  # it found no copy there, or may not read it
            if not self._told_unread:
                self._told_unread = True
                event(logger, logging.WARNING, "copies_not_read")
            return False
        announced = bool(request.scope.get(ANNOUNCED_KEY))
        if not announced and not self._told_unannounced:
            self._told_unannounced = True
            client = request.client
            event(logger, logging.WARNING, "copies_not_handed_over", client=client and client.host)
        return announced

    def _hand_over(self, hash: str, headers: dict[str, str], lapses: bool) -> Response:
        """Return the answer that has nginx send the copy. It finds the range and compares If-Range by itself: our ETag
        is the one that it gives this file.
        """
        self._gateway.downloads.hand_over(hash, lapses=lapses)
        told = {name: value for name, value in headers.items() if name != "Accept-Ranges"}  # it adds its own
        return HandedOver(headers=told | {"X-Accel-Redirect": f"/_spool/{hash[:2]}/{hash}.zip"})


def _is_plain(request: Request) -> bool:
    """Return whether the whole is asked for, whatever it is: what a bucket answers by its own entity tag would not be
    what the gateway does.
    """
    return request.method == "GET" and _BY_TAG.isdisjoint(request.headers.keys())


def _headers(facts: Facts) -> dict[str, str]:
    headers = {
        "Content-Type": MEDIA_TYPES[facts.container],
        "Content-Disposition": attachment(facts.filename),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-transform",
        "Last-Modified": formatdate(facts.last_modified, usegmt=True),
    }
    if facts.etag is not None:
        headers |= {"ETag": facts.etag, "Accept-Ranges": "bytes"}
    if not facts.finished:
        headers["X-Accel-Buffering"] = "no"
    return headers
