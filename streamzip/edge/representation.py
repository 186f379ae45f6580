"""GET and HEAD of one representation whose bytes can be read from any offset: preconditions, ranges, and the first run
at hand before the status is sent.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from streamzip.edge.accel import nginx_agrees
from streamzip.edge.conditionals import combined, decide
from streamzip.edge.problem_document import ProblemResponse
from streamzip.edge.ranges import Multipart, Unsatisfiable, content_range, multipart, parse_range, unsatisfied_range
from streamzip.edge.request_log import LEFT
from streamzip.edge.sending import StreamedResponse, unless_left
from streamzip.errors import NotReady
from streamzip.spans import Data, Span

FIRST_BYTE_WITHIN = 60.0  # seconds; where it takes longer the reader gets a 503 instead of a silent connection


@dataclass(frozen=True, slots=True)
class Representation:
    """What the request selects. `headers`: all but Content-Length and what a range adds.

    `length` None: not known, so the body is chunked, and there are no ranges. `etag` as it is sent; None: nothing
    proves that two answers have the same bytes, so there are no ranges either. `last_modified` in epoch seconds.
    `read(start, stop)` gives the bytes; `check_start` raises a Problem where they cannot begin soon. `hand_over`: the
    answer that has the nginx in front send them instead.
    """

    noun: str  # "archive", for sentences
    headers: dict[str, str]
    length: int | None
    etag: str | None
    last_modified: int | None
    read: Callable[[int, int | None], AsyncGenerator[Data, None]]
    check_start: Callable[[int], None] | None = None
    date_is_strong: bool = True
    hand_over: Callable[[], Response] | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be sent of a representation: status, headers, and the bytes, of which none was asked for yet."""

    status: int
    headers: dict[str, str]
    runs: AsyncGenerator[Data, None]


def choose(method: str, fields: Mapping[str, str], selected: Representation, *, now: float) -> Response | Chosen:
    """Return what a GET or HEAD with these fields (as `combined` gives them) is answered: whole where it has no body
    of the representation, else what is to be sent of it. `now`: epoch seconds. Raises Problem.
    """
    headers, length = selected.headers, selected.length
    if length is None:
        return bodyless(headers) if method == "HEAD" else Chosen(200, headers, selected.read(0, None))
    decision = decide(
        method,
        fields,
        etag=selected.etag,
        last_modified=selected.last_modified,
        now=now,
        date_is_strong=selected.date_is_strong,
    )
    if decision.status == 412:
        detail = f"The {selected.noun} is not the one you have."
        return ProblemResponse(412, "precondition_failed", "Precondition failed", detail)
    if decision.status == 304:
        return Response(status_code=304, headers=headers)
    if method == "HEAD":
        return bodyless(headers | {"Content-Length": str(length)})
    spans = parse_range(fields["range"], length) if decision.use_range and selected.etag else None
    if isinstance(spans, Unsatisfiable):
        beyond = f"The {selected.noun} has {length} bytes."
        response = ProblemResponse(416, "range_not_satisfiable", "Range not satisfiable", beyond)
        response.headers["Content-Range"] = unsatisfied_range(length)
        return response
    if selected.hand_over is not None and nginx_agrees(fields, spans):
        return selected.hand_over()
    for span in spans or ():
        if selected.check_start is not None:
            selected.check_start(span.start)
    status, runs, added = _body(selected, length, spans)
    return Chosen(status, headers | added, runs)


async def respond(
    request: Request, selected: Representation, stack: AsyncExitStack, *, now: float, write_timeout: float
) -> Response:
    """Return the answer as the request wants it. `stack` is closed when its last byte was given. `now`: epoch seconds.

    Raises Problem while nothing has been sent.
    """
    chosen = choose(request.method, combined(request.headers.items()), selected, now=now)
    if isinstance(chosen, Response):
        return chosen
    return await _stream(request, chosen, stack, write_timeout)


def _body(
    selected: Representation, length: int, spans: Sequence[Span] | None
) -> tuple[int, AsyncGenerator[Data, None], dict[str, str]]:
    """Status, body, and the headers that tell of it."""
    if spans is None:
        return 200, selected.read(0, length), {"Content-Length": str(length)}
    if len(spans) == 1:
        added = {"Content-Length": str(spans[0].length), "Content-Range": content_range(spans[0], length)}
        return 206, selected.read(*spans[0]), added
    frame = multipart(spans, length, content_type=selected.headers["Content-Type"], boundary=secrets.token_hex(16))
    added = {"Content-Length": str(frame.length), "Content-Type": frame.content_type}
    return 206, _framed(selected, frame), added


async def _stream(request: Request, chosen: Chosen, stack: AsyncExitStack, write_timeout: float) -> Response:
    """Return the response with its first run at hand: what fails before it still gets its reader a status."""
    try:
        async with asyncio.timeout(FIRST_BYTE_WITHIN):
            first = await unless_left(request.receive, anext(chosen.runs, b""))
    except ClientDisconnect:
        # To nobody; what was being read for it is given up, and no other reader waits for that.
        return Response(status_code=LEFT)
    except TimeoutError as error:
        raise NotReady("nothing of it has come within a minute; try again", retry_after=10) from error
    body = _rest(first, chosen.runs, stack.pop_all())
    return StreamedResponse(body, chosen.status, chosen.headers, write_timeout=write_timeout, download=True)


async def _rest(first: Data, runs: AsyncGenerator[Data, None], stack: AsyncExitStack) -> AsyncGenerator[Data, None]:
    async with stack, contextlib.aclosing(runs):
        yield first
        del first  # or it would be held until the last one is sent
        async for run in runs:
            yield run


async def _framed(selected: Representation, frame: Multipart) -> AsyncGenerator[Data, None]:
    pending = b""
    for header, span in frame.parts:
        pending += header
        async with contextlib.aclosing(selected.read(*span)) as runs:
            async for run in runs:
                yield pending + run  # a part's header only with bytes of it: nothing is sent before they are there
                pending = b""
    yield frame.trailer


def bodyless(headers: dict[str, str]) -> Response:
    """Return a HEAD's answer: the headers that the GET would have, and only those."""
    response = Response()
    response.raw_headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
    ]
    return response
