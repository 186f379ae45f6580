"""The clients' connections: so many at once, each with its time for a request's head, none held by who takes nothing.

A connection that has not asked yet (an idle one, or one that drips its header) is worth less than one that has: where
there are too many, the one that has waited longest is dropped, so that no number of silent ones keeps others out.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from streamzip.api.problems import ProblemResponse

MOST_HEAD: Final = 64 << 10  # bytes of a request's head; servers commonly take 8 to 16 KiB
MOST_FIELDS: Final = 200
RETRY_AFTER: Final = 5


@dataclass(slots=True)
class Door:
    """The connections of one process. `most`: of them at once; `within`: seconds for a request's head; `untaken`:
    seconds that a client may take nothing of what it was sent.
    """

    most: int
    within: float
    untaken: float
    asking: dict["DoorProtocol", None] = field(default_factory=dict)  # those without a whole request, the oldest first
    busy: set["DoorProtocol"] = field(default_factory=set)

    def make_room(self) -> None:
        """Drop those that have waited longest without asking for anything, where there are too many."""
        while len(self.asking) > 1 and len(self.asking) + len(self.busy) > self.most:
            next(iter(self.asking)).drop()

    @property
    def full(self) -> bool:
        """Whether there are more requests at once than connections may be."""
        return len(self.busy) > self.most


class DoorProtocol(HttpToolsProtocol):
    """uvicorn's protocol behind the door that its subclass (`behind`) has."""

    door: Door

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head = 0  # bytes of the head that is coming in
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came."""
        super().connection_made(transport)
        self._ask()
        self._late = self.loop.call_later(self.door.within, self.drop)
        self.door.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """It left, or was dropped."""
        self.door.asking.pop(self, None)
        self.door.busy.discard(self)
        for timer in (self._late, self._stuck):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def drop(self) -> None:
        """End the connection, whatever is still to be sent."""
        self.door.asking.pop(self, None)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request. Its head has its time and its length."""
        if self in self.door.asking:
            self._head += len(data)
            if self._late is None:
                self._late = self.loop.call_later(self.door.within, self.drop)
        super().data_received(data)
        if self in self.door.asking and self._head > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response("")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field."""
        if len(self.headers) == MOST_FIELDS:
            self._head = MOST_HEAD + 1
            raise ValueError("too many header fields")  # ends the parser, which has the request refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A request. What came at once with its body was not counted yet."""
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MOST_HEAD:
            self._head = MOST_HEAD + 1
            raise ValueError("too large a head")
        self.door.asking.pop(self, None)
        self.door.busy.add(self)
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self.app = _busy if self.door.full else self.config.loaded_app
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The next request may come, or has come already."""
        waiting = not self.pipeline
        super().on_response_complete()
        if waiting and not self.transport.is_closing():
            self._ask()

    def _ask(self) -> None:
        self.door.busy.discard(self)
        self._head = 0
        self.door.asking[self] = None

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or too large a one."""
        if self._head <= MOST_HEAD:
            super().send_400_response(msg)
            return
        content = b"The request's header is too large."
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(content), content)
        )
        self.transport.close()

    # -- what the client does not take -------------------------------------------------------------------

    def pause_writing(self) -> None:
        """More is there than the client has taken."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has taken it."""
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing was asked for a while. A close waits for what was not taken: not for ever."""
        super().timeout_keep_alive_handler()
        self._watch(self.transport.get_write_buffer_size())

    def _watch(self, untaken: int) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
        self._stuck = self.loop.call_later(self.door.untaken, self._look, untaken)

    def _look(self, before: int) -> None:
        now = self.transport.get_write_buffer_size()
        if now and now >= before:
            self.transport.abort()
        elif now:
            self._watch(now)


def behind(door: Door) -> type[DoorProtocol]:
    """The protocol of the connections behind this door, for uvicorn, which makes each of them."""
    return type("BehindDoor", (DoorProtocol,), {"door": door})


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    response = ProblemResponse(
        503, "too_busy", "Too busy", "too many requests at once; ask again", retry_after=RETRY_AFTER
    )
    response.headers["Connection"] = "close"
    await response(scope, receive, send)
