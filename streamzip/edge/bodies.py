"""Request bodies, read to their end or refused: at their limit, for want of memory, or because they do not come."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from streamzip.errors import NotReady, Stalled, TooLarge

SILENT_FOR = 30.0  # seconds that a body may bring nothing
SLOWEST: Final = 1000  # bytes a second, on the average from its beginning: who drips would hold a connection for days
READ_OVER: Final = 64 << 20  # bytes of a refused body that are read, so that its client comes to read the answer
UNCOUNTED: Final = 64 << 10  # bytes of each body that are not counted: its connection holds as many anyway

_MOST = "body_limit"


class BoundedBody:
    """An ASGI app that is told how many bytes a request's body may have: handlers read no more of it."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[_MOST] = self._most
        await self._app(scope, receive, send)


def body_limit(request: Request) -> int:
    """Return how many bytes the request's body may have."""
    most: int = request.scope["state"][_MOST]
    return most


async def chunks_of(request: Request, *, silent_for: float, noun: str) -> AsyncGenerator[bytes, None]:
    """Yield the body as it comes. Raises Stalled, which names `noun`, where it brings nothing for `silent_for` seconds
    or less than SLOWEST; Starlette's ClientDisconnect.
    """
    loop = asyncio.get_running_loop()
    began, received = loop.time(), 0
    async with contextlib.aclosing(request.stream()) as chunks:
        while True:
            try:
                # A body that was fast has not earned the right to be silent for longer.
                async with asyncio.timeout_at(min(loop.time(), began + received / SLOWEST) + silent_for):
                    chunk = await anext(chunks, None)
            except TimeoutError as error:
                raise Stalled(f"the rest of the {noun} does not come; send it again") from error
            if chunk is None:
                return
            received += len(chunk)
            if chunk:
                yield chunk


async def read_body(request: Request, limit: int) -> bytearray:
    """Return the whole of a body that is small by its limit. Raises TooLarge, Stalled, ClientDisconnect."""
    async with HeldBodies(limit).read(request, limit) as body:
        return body


class HeldBodies:
    """The bodies that are in memory at once, while they come and while they are used. `most`: their bytes together."""

    def __init__(self, most: int) -> None:
        self._left = most

    @asynccontextmanager
    async def read(self, request: Request, limit: int) -> AsyncIterator[bytearray]:
        """Hold the whole body for as long as the context lasts.

        Raises TooLarge, from the declared length where there is one, else when the limit is passed; NotReady where the
        others leave no memory for it; Stalled; ClientDisconnect.
        """
        declared = request.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        received, counted = bytearray(), 0
        try:
            async with contextlib.aclosing(chunks_of(request, silent_for=SILENT_FOR, noun="body")) as chunks:
                async for chunk in chunks:
                    if len(received) + len(chunk) > limit:
                        raise _too_large(limit)
                    more = max(0, len(received) + len(chunk) - UNCOUNTED) - counted
                    if more > self._left:
                        raise NotReady("too many long requests at once; ask again", code="too_busy", retry_after=5)
                    self._left -= more
                    counted += more
                    received += chunk
            yield received
        finally:
            self._left += counted


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes (STREAMZIP_MAX_BODY_BYTES)", code="body_too_large")
