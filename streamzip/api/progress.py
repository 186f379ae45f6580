"""The status as it changes, as server-sent events (WHATWG HTML, 9.2), until the archive is completed or failed."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from streamzip.api.archives import NO_STORE, Archives
from streamzip.api.problems import ProblemResponse
from streamzip.api.representation import bodyless
from streamzip.api.sending import StreamedResponse
from streamzip.errors import Problem

LOOK_EVERY = 1.0  # seconds between two looks; another process may be the one that pulls
SPEAK_EVERY = 15.0  # seconds; proxies take a silent connection for a dead one, nginx after 60

FINAL = frozenset({"completed", "failed"})
EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Progress:
    """`leaving` is set when the process is told to end: what has no end of its own must not hold that up."""

    archives: Archives
    leaving: asyncio.Event

    async def events(self, request: Request) -> Response:
        """GET /api/archive/events/{hash}"""
        document = await self.archives.document(request)
        if document["status"] in FINAL and request.headers.get("last-event-id") == _id(document):
            return Response(status_code=204, headers=NO_STORE)  # to a browser: do not come again
        if request.scope["http_version"] == "1.0":
            # Without chunks it could not tell the end from a break (RFC 9112 §7.1).
            return ProblemResponse(505, "http_version", "HTTP/1.1 is needed", "Ask for the status instead.")
        headers = NO_STORE | {"Content-Type": EVENTS, "X-Accel-Buffering": "no"}
        if request.method == "HEAD":
            return bodyless(headers)
        write_timeout = self.archives.settings.write_timeout
        return StreamedResponse(self._told(request, document), 200, headers, write_timeout=write_timeout)

    async def _told(self, request: Request, document: dict[str, Any]) -> AsyncGenerator[bytes, None]:
        """Each new document, from the one after the client's last on; a comment where nothing is new for long."""
        told, silent = request.headers.get("last-event-id"), 0.0
        while True:
            silent += LOOK_EVERY
            if (id := _id(document)) != told:
                told, silent = id, 0.0
                yield f"id: {id}\nevent: status\ndata: {json.dumps(document)}\n\n".encode()
            elif silent >= SPEAK_EVERY:
                silent = 0.0
                yield b": still here\n\n"
            if document["status"] in FINAL or await self._leaves():
                return
            try:
                document = await self.archives.document(request)
            except Problem as problem:  # deleted meanwhile: whoever asks again is told so
                if problem.status == 404:
                    return
                raise

    async def _leaves(self) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await self.leaving.wait()
        return self.leaving.is_set()


def _id(document: dict[str, Any]) -> str:
    """What names this state of the archive, in every process and life; its links may be signed anew each time."""
    facts = {key: value for key, value in document.items() if not key.endswith("url")}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
