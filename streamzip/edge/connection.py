"""The client's connection, for what ASGI cannot say: that it is to be cut, now, and that its client has left.

After its first byte a response can fail only by a cut connection, so that no client takes a part for the whole (RFC
9112 §8). uvicorn drops the connection when the application raises, but logs a trace each time, and has no write
timeout: a reader that takes nothing would hold its socket for ever, because closing waits for its buffer. Both need the
transport.
"""

import asyncio
import contextlib
import fcntl
import termios
from array import array
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

SCOPE_KEY = "streamzip.connection"


class Cut(Exception):
    """The connection was cut after its first byte; raised where the server gives no transport, so that it drops it
    itself.
    """


class Connection:
    """One request's hold on its socket."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport

    def untaken(self) -> int:
        """Return how many bytes were sent and not taken by the client yet: in the server's buffer and in the
        kernel's.
        """
        if self._transport is None:
            return 0
        queued = array("i", [0])
        with contextlib.suppress(OSError, AttributeError, ValueError):  # the socket may be closed by now
            fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queued)
        return self._transport.get_write_buffer_size() + queued[0]

    @property
    def closing(self) -> bool:
        """Return whether nothing that is sent from now on goes anywhere: the client was found to be gone, or is being
        cut.
        """
        return self._transport is not None and self._transport.is_closing()

    def close(self) -> None:
        """Close it in order, without the end of the body: what was sent still goes to the client. Raises Cut as `cut`
        does.
        """
        if self._transport is None:
            raise Cut
        self._transport.close()

    async def cut(self) -> None:
        """Drop the connection without the end of the body. Raises Cut where only an exception can do that."""
        if self._transport is None:
            raise Cut
        self._transport.abort()
        await asyncio.sleep(0)  # in the loop's next turn the server learns of it, and asks no more of the response


def connection_of(scope: Scope, send: Send) -> Connection:
    """Return the request's Connection; one that is without a socket where another application's layers lie between."""
    if SCOPE_KEY not in scope:
        # uvicorn's `send` is a method of its request cycle, which has the transport.
        cycle: Any = getattr(send, "__self__", None)
        scope[SCOPE_KEY] = Connection(getattr(cycle, "transport", None))
    connection: Connection = scope[SCOPE_KEY]
    return connection


class Connections:
    """The outermost ASGI layer: puts the Connection into the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            connection_of(scope, send)
        await self._app(scope, receive, send)
