"""GET and HEAD of the archive, in every state: never pulled, growing, finished; whole or in ranges."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from email.utils import formatdate

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from streamzip.api.conditionals import combined, decide
from streamzip.api.disposition import attachment
from streamzip.api.problems import ProblemResponse, waiting_page
from streamzip.api.ranges import Multipart, Unsatisfiable, content_range, multipart, parse_range, unsatisfied_range
from streamzip.api.sending import StreamedResponse, unless_left
from streamzip.clock import Clock
from streamzip.config import Settings
from streamzip.errors import NotReady
from streamzip.gateway import Download, Facts, Gateway
from streamzip.spans import Span

FIRST_BYTE_WITHIN = 60.0  # seconds; an origin that is slower gets its reader a 503 instead of a silent connection


class Downloads:
    """The handlers, over one gateway."""

    def __init__(self, gateway: Gateway, settings: Settings, clock: Clock) -> None:
        self._gateway = gateway
        self._settings = settings
        self._clock = clock

    async def get(self, request: Request) -> Response:
        """GET | HEAD /archive/get/{hash}.zip"""
        try:
            return await self.send(request, request.path_params["hash"])
        except NotReady as problem:
            if request.method == "GET" and "range" not in request.headers and _is_browser(request):
                return waiting_page(problem)
            raise

    async def send(self, request: Request, hash: str) -> Response:
        """The archive as the request wants it. Raises Problem while nothing has been sent."""
        async with AsyncExitStack() as stack:
            download = await stack.enter_async_context(self._gateway.open(hash))
            facts = download.facts
            headers = _headers(facts)
            handed_over = facts.finished and self._settings.sendfile == "x-accel"
            if handed_over and request.method == "GET" and not request.headers.get("x-accel-missing"):
                # nginx judges ranges and conditionals by itself; our ETag is the one that it gives this file.
                self._gateway.hand_over(hash)
                headers.pop("Accept-Ranges", None)  # nginx adds its own
                return Response(headers=headers | {"X-Accel-Redirect": f"/_spool/{hash[:2]}/{hash}.zip"})
            return await self._answer(request, download, headers, stack)

    async def _answer(
        self, request: Request, download: Download, headers: dict[str, str], stack: AsyncExitStack
    ) -> Response:
        facts = download.facts
        fields = combined(request.headers.items())
        if facts.length is None:
            if request.scope["http_version"] == "1.0":
                # Without a length only chunks can tell the end from a break, and HTTP/1.0 has none (RFC 9112 §7.1).
                wanted = "Ask again with HTTP/1.1, or once the archive is completed."
                return ProblemResponse(505, "http_version", "HTTP/1.1 is needed", wanted)
            if request.method == "HEAD":
                return _bodyless(headers)
            return await self._stream(request, download, [Span(0, 0)], 200, headers, None, stack)
        decision = decide(
            request.method, fields, etag=facts.etag, last_modified=facts.last_modified, now=self._clock.wall()
        )
        if decision.status == 412:
            return ProblemResponse(
                412, "precondition_failed", "Precondition failed", "The archive is not the one you have."
            )
        if decision.status == 304:
            return Response(status_code=304, headers=headers)
        if request.method == "HEAD":
            return _bodyless(headers | {"Content-Length": str(facts.length)})
        spans = parse_range(fields["range"], facts.length) if decision.use_range and facts.etag else None
        if isinstance(spans, Unsatisfiable):
            beyond = f"The archive has {facts.length} bytes."
            response = ProblemResponse(416, "range_not_satisfiable", "Range not satisfiable", beyond)
            response.headers["Content-Range"] = unsatisfied_range(facts.length)
            return response
        if spans is None:
            headers |= {"Content-Length": str(facts.length)}
            return await self._stream(request, download, [Span(0, facts.length)], 200, headers, None, stack)
        if len(spans) == 1:
            headers |= {"Content-Length": str(spans[0].length), "Content-Range": content_range(spans[0], facts.length)}
            return await self._stream(request, download, spans, 206, headers, None, stack)
        frame = multipart(spans, facts.length, content_type=headers["Content-Type"], boundary=secrets.token_hex(16))
        headers |= {"Content-Length": str(frame.length), "Content-Type": frame.content_type}
        return await self._stream(request, download, spans, 206, headers, frame, stack)

    async def _stream(
        self,
        request: Request,
        download: Download,
        spans: Sequence[Span],
        status: int,
        headers: dict[str, str],
        frame: Multipart | None,
        stack: AsyncExitStack,
    ) -> Response:
        """The response with its first run at hand: an origin that fails before it still gets its reader a status."""
        if download.facts.length is None:
            runs = download.read()
        elif frame is None:
            download.check_start(spans[0].start)
            runs = download.read(*spans[0])
        else:
            for span in spans:
                download.check_start(span.start)
            runs = _framed(download, frame)
        try:
            async with asyncio.timeout(FIRST_BYTE_WITHIN):
                first = await unless_left(request.receive, anext(runs))
        except ClientDisconnect:
            return Response()  # to nobody; what was pulled for it is given up, and no other reader waits for that
        except TimeoutError as error:
            raise NotReady("an origin has sent nothing for a minute; try again", retry_after=10) from error
        finally_closed = stack.pop_all()
        return StreamedResponse(
            _rest(first, runs, finally_closed), status, headers, write_timeout=self._settings.write_timeout
        )


def _is_browser(request: Request) -> bool:
    """Whether a person looks at the answer: programs ask for anything, browsers name HTML first."""
    return request.headers.get("accept", "").lstrip().lower().startswith("text/html")


async def _rest(first: bytes, runs: AsyncGenerator[bytes, None], stack: AsyncExitStack) -> AsyncGenerator[bytes, None]:
    async with stack, contextlib.aclosing(runs):
        yield first
        async for run in runs:
            yield run


async def _framed(download: Download, frame: Multipart) -> AsyncGenerator[bytes, None]:
    pending = b""
    for header, span in frame.parts:
        pending += header
        async with contextlib.aclosing(download.read(*span)) as runs:
            async for run in runs:
                yield (
                    pending + run
                )  # the part's header only with bytes of the part: nothing is sent before they are there
                pending = b""
    yield frame.trailer


def _bodyless(headers: dict[str, str]) -> Response:
    """A HEAD's answer: the headers that the GET would have, and only those."""
    response = Response()
    response.raw_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
    ]
    return response


def _headers(facts: Facts) -> dict[str, str]:
    headers = {
        "Content-Type": "application/zip",
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
