"""The clients' connections: so many at once, each with its time for a request's head, none held by who takes nothing.

A connection that has not asked yet (an idle one, or one that drips its header) is worth less than one that has: where
there are too many, the one that has waited longest is dropped, so that no number of silent ones keeps others out.

The parser has one request at a time. What a client sends ahead, while its last request is still being answered, waits
as bytes; where there are more of them than a head may have, the connection is not read from.
"""

import asyncio
import logging
import re
from typing import Any, Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from streamzip import metrics
from streamzip.edge.bodies import READ_OVER
from streamzip.edge.clients import Door
from streamzip.edge.problem_document import ProblemResponse
from streamzip.edge.refusals import MOST_HEAD, MOST_TARGET, refusal, refusal_status
from streamzip.framing import Framing, head_end
from streamzip.logs import event

logger = logging.getLogger(__name__)

MOST_FIELDS: Final = 200
MOST_AHEAD: Final = 16 << 20  # bytes that all connections together may have sent ahead
RETRY_AFTER: Final = 5
LAST_REQUEST_WITHIN: Final = 0.5  # seconds, on a connection that the gateway had let in before it was asked to end

# Bytes of a body in chunks that the parser is given at once: whole requests may follow its end, which may be anywhere.
# More bytes as long as its chunks are large.
_SMALLEST_SLICE: Final = 512
_LARGEST_SLICE: Final = 4 << 10
_CHUNKS_AT_ONCE: Final = 64  # each is a call of the application's: then others have their turn
_UNREAD_IN_CHUNKS: Final = 1 << 20  # bytes of such a body that may follow its answer
_EMPTY_LINES: Final = re.compile(rb"[\r\n]*")  # before a request (RFC 9112 §2.2); each looks like the end of a head


class _Flow(FlowControl):
    """uvicorn's flow control, but an application that waits for more of its request does not end a hold."""

    held = False

    def hold(self) -> None:
        """Read nothing until `release`."""
        self.held = True
        self.pause_reading()

    def release(self) -> None:
        """Read on."""
        if self.held:
            self.held = False
            self.resume_reading()

    def resume_reading(self) -> None:
        """Read on, unless held."""
        if not self.held:
            super().resume_reading()


class DoorProtocol(HttpToolsProtocol):
    """uvicorn's protocol behind the door that its subclass (`behind`) has."""

    door: Door
    flow: _Flow

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._ahead = b""
        self._in_head = False  # the parser has a part of one
        self._head = 0  # bytes of it, and of the empty lines before it
        self.head_taken = 0  # those of them that the door has counted
        self._last = b""  # of them: a head's end may be cut anywhere
        self._in_body = False
        self._left = 0  # bytes of a body of known length that are still to come
        self._slice = _SMALLEST_SLICE
        self._body = 0  # bytes of a body that the parser found in what it was given last
        self._chunks = 0  # of bodies that the parser found in this turn of the loop
        self._waiting_for_turn = False
        self._unread = 0  # bytes of a body that came after its answer
        self._framing = Framing()
        self._is_coded = False  # a request's body, by more than chunks
        self._leaving = False
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take up a client."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self._ask()
        self._hurry()
        self.door.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client: it left, or was dropped."""
        self._keep(b"")
        self._forget_head()
        self.door.asking.pop(self, None)
        self.door.busy.discard(self)
        self.door.answered.pop(self, None)
        for timer in filter(None, (self._late, self._stuck)):
            timer.cancel()
        super().connection_lost(exc)

    def drop(self) -> None:
        """End the connection, whatever is still to be sent."""
        self._forget_head()
        self.door.asking.pop(self, None)
        self.door.answered.pop(self, None)
        self.transport.abort()

    def _forget_head(self) -> None:
        self.door.heads -= self.head_taken
        self.head_taken = 0

    def shutdown(self) -> None:
        """Close the connection once nothing of it is under way. A request that is on its way already is answered."""
        self._leaving = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_REQUEST_WITHIN, self._close_if_idle)
        else:
            super().shutdown()

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    # -- what comes in -----------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request, or of several."""
        self._go_on(self._ahead + data if self._ahead else data)

    def _take_up(self) -> None:
        self._waiting_for_turn = False
        if not self.transport.is_closing():
            self._go_on(self._ahead)

    def _go_on(self, data: bytes) -> None:
        """Give the parser what it may have now: a body, and a head where no request is being answered."""
        at = self._chunks = 0
        while at < len(data) and not self.transport.is_closing():
            if self._chunks > _CHUNKS_AT_ONCE and not self._waiting_for_turn:
                self._waiting_for_turn = True
                self.loop.call_soon(self._take_up)
            if self._waiting_for_turn:
                break
            if self._in_body:
                at += self._give_body(data, at)
            elif self.pipeline or (self.cycle is not None and not self.cycle.response_complete):
                break
            else:
                at += self._give_head(data, at)
        if self.transport.is_closing():
            self._keep(b"")
            return
        self._keep(data[at:])
        if len(self._ahead) > MOST_HEAD or self._waiting_for_turn:
            self.flow.hold()
        else:
            self.flow.release()
        if self.door.ahead > MOST_AHEAD:
            self.transport.abort()

    def _keep(self, ahead: bytes) -> None:
        self.door.ahead += len(ahead) - len(self._ahead)
        self._ahead = ahead

    def _give_head(self, data: bytes, at: int) -> int:
        """Give the parser bytes of a head. Return their count."""
        if self._late is None:
            self._hurry()
        begin = at if self._in_head else _EMPTY_LINES.match(data, at).end()  # type: ignore[union-attr]
        rest = data[begin:] if begin else data
        end = head_end(self._last + rest) - len(self._last)
        piece = rest[:end] if end > 0 else rest
        self._head += begin - at + len(piece)
        if self._head > MOST_HEAD:
            self.send_400_response("")
        elif piece:
            self._give(piece)
        if self._in_head:
            self.head_taken += len(piece)
            self.door.take_head(len(piece))
        return begin - at + len(piece)

    def _give_body(self, data: bytes, at: int) -> int:
        """Give the parser bytes of a body. Return their count."""
        known = self._left
        piece = data[at : at + (known or self._slice)]
        self._left -= min(known, len(piece))
        self._body = 0
        answered = self.cycle.response_complete
        self._give(piece)
        if self.transport.is_closing():
            return len(piece)
        if answered:
            self._unread += len(piece)
            if self._unread > (READ_OVER if known else _UNREAD_IN_CHUNKS):
                self.transport.close()
        if not known:
            large = 10 * self._body >= 9 * len(piece)
            self._slice = min(2 * self._slice, _LARGEST_SLICE) if large else _SMALLEST_SLICE
            if not self._framing.read(len(piece), self._body):
                self.send_400_response("")
        return len(piece)

    def _give(self, piece: bytes) -> None:
        super().data_received(piece)
        self._last = piece[-2:] if self._in_head else b""

    # -- what the parser finds in it ---------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take more of a target. Each escape in it takes half a microsecond of everybody's time."""
        super().on_url(url)
        if len(self.url) > MOST_TARGET:
            raise ValueError("too long a target")  # ends the parser, which has the request refused

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field. One behind a body is counted, and no more: nobody asked for trailers."""
        if self._in_body:
            if not self._framing.trailer(name, value):
                raise ValueError("too many trailers")
            return
        if len(self.headers) == MOST_FIELDS:
            self._head = MOST_HEAD + 1
            raise ValueError("too many header fields")  # ends the parser, which has the request refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Have a request answered."""
        codings: list[bytes] = []
        self._left = self._unread = 0
        for name, value in self.headers:
            if name == b"content-length":
                self._left = int(value)
            elif name == b"transfer-encoding":
                codings += filter(None, (coding.strip().lower() for coding in value.split(b",")))
        if len(codings) > 1 and codings[-1] == b"chunked":  # the parser refuses those that end in another one
            self._is_coded = True
            raise ValueError("a coding within the chunks")  # ends the parser, which has the request refused
        self._in_head = False
        self._forget_head()
        self._head = 0
        self._framing = Framing()
        self.door.asking.pop(self, None)
        self.door.busy.add(self)
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self.app = _busy if self.door.full else self.config.loaded_app
        super().on_headers_complete()
        self._in_body = True
        # Where another protocol may follow, or a version has other rules, others may see this request's end elsewhere
        # (RFC 9112 §6.1, §11.2): what comes behind it is never taken for a request.
        if self._leaving or self.parser.should_upgrade() or self.parser.get_http_version() != "1.1":
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take bytes of a request's body."""
        self._body += len(body)
        self._chunks += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._in_body = False
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: any request to upgrade may be ignored (RFC 9110 §7.8), and some clients send it each time."""

    def on_response_complete(self) -> None:
        """Go on with the next request: it may have come already."""
        waiting = not self.pipeline
        if self.flow.write_paused:
            self.door.hold_answer(self, self.transport.get_write_buffer_size())
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_what_is_left()
        elif waiting:
            self._ask()
            if self._in_body:
                self._hurry()
            self._go_on(self._ahead)

    def _ask(self) -> None:
        self.door.busy.discard(self)
        self.door.asking[self] = None

    def _hurry(self) -> None:
        """Give the client its time for a head."""
        if self._late is None:
            self._late = self.loop.call_later(self.door.within, self.drop)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or too large a one."""
        status = 501 if self._is_coded else refusal_status(self._head, len(self.url) if self._in_head else 0)
        metrics.REFUSED.add(str(status))
        event(logger, logging.INFO, "request_refused", status=status, client=self.client and self.client[0])
        answer = self.cycle
        if self.pipeline or (
            answer is not None and answer.response_started and (self._in_body or not answer.response_complete)
        ):
            self.transport.abort()  # what is sent now would be taken for a part of an answer, or be one too many
            return
        told = refusal(status)
        if told is None:
            super().send_400_response(msg)
        else:
            self.transport.write(told)
            self.transport.close()
        self._watch_what_is_left()

    # -- what the client does not take -------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Note that more is there than the client has taken."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Note that the client has taken it."""
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        self.door.answered.pop(self, None)
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, on which nothing was asked for a while: what was not taken is waited for, and not for
        ever.
        """
        super().timeout_keep_alive_handler()
        self._watch_what_is_left()

    def _watch_what_is_left(self) -> None:
        if untaken := self.transport.get_write_buffer_size():
            self._watch(untaken)

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
    """Return the protocol of the connections behind this door, for uvicorn, which makes each of them."""
    return type("BehindDoor", (DoorProtocol,), {"door": door})


async def _busy(scope: Scope, receive: Receive, send: Send) -> None:
    client = scope["client"]
    metrics.REFUSED.add("503")
    event(logger, logging.WARNING, "request_refused", status=503, code="too_busy", client=client and client[0])
    response = ProblemResponse(
        503, "too_busy", "Too busy", "too many requests at once; ask again", retry_after=RETRY_AFTER
    )
    response.headers["Connection"] = "close"
    await response(scope, receive, send)
