"""The status as it changes, as server-sent events (WHATWG HTML, 9.2), until the archive is completed or failed."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from streamzip.api.archives import Archives
from streamzip.archives.watching import Snapshot, Watches
from streamzip.edge.fields import NO_STORE
from streamzip.edge.problem_document import http_1_1_needed
from streamzip.edge.representation import bodyless
from streamzip.edge.sending import StreamedResponse
from streamzip.errors import NotFound, TooMany
from streamzip.guards.rates import client_of

EVENTS: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Progress:
    """The handler of the events, over what is watched in this process."""

    archives: Archives
    watches: Watches

    async def events(self, request: Request) -> Response:
        """GET /api/archive/events/{hash}"""
        hash = request.path_params["hash"]
        first = await self.watches.first(hash)
        if first.final and request.headers.get("last-event-id") == first.id:
            return Response(status_code=204, headers=NO_STORE)  # to a browser: do not come again
        if request.scope["http_version"] == "1.0":
            return http_1_1_needed("for the status instead")
        headers = NO_STORE | {"Content-Type": EVENTS, "X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return bodyless(headers)
        self.watches.check(hash, client_of(request))
        write_timeout = self.archives.settings.write_timeout
        return StreamedResponse(self._told(request, first), 200, headers, write_timeout=write_timeout)

    async def _told(self, request: Request, first: Snapshot) -> AsyncGenerator[bytes, None]:
        """Each new document, from the one after the client's last on; a comment where nothing is new for long.

        A client that takes its time is told the newest one, not each of those in between.
        """
        told = request.headers.get("last-event-id")
        try:
            with self.watches.watch(request.path_params["hash"], client_of(request), first) as watched:
                while True:
                    snapshot = watched.snapshot
                    if snapshot.id != told:
                        told = snapshot.id
                        links = json.dumps(await self.archives.archive_links(request))
                        yield f"id: {told}\nevent: status\ndata: ".encode()
                        yield snapshot.head  # everybody's
                        yield f", {links[1:]}\n\n".encode()
                    if snapshot.final or watched.ended:
                        return
                    if not await watched.changed(snapshot):
                        yield b": still here\n\n"
        except (NotFound, TooMany):  # deleted, or the last place was taken meanwhile: whoever asks again is told so
            return
