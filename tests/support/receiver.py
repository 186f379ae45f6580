"""A receiver of webhooks on loopback that keeps what it was sent, and answers as it is told.

    with Receiver() as receiver:
        receiver.answer("/hook", Reply(503), Reply(204))   # the first message, all later ones
        message = receiver.next("/hook")
        message.verified()                                 # by the reference library

It keeps its port when it is closed and opened anew. A test never sleeps to see a message: `next` waits for it.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from standardwebhooks.webhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # the one of the specification's examples


@dataclass(frozen=True)
class Reply:
    """An answer. `held`: it comes only with `release`."""

    status: int = 204
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    held: bool = False
    endless: bool = False


@dataclass(frozen=True)
class Message:
    """What came. Field names are in lower case."""

    path: str
    fields: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The message's id."""
        return self.fields["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        """The body's JSON."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    def verified(self, secret: str = SECRET) -> dict[str, Any]:
        """The body's JSON, once the reference library accepts the message; else its WebhookVerificationError."""
        document: dict[str, Any] = Webhook(secret).verify(self.body, self.fields)
        return document


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A gateway that hangs up is no failure of the receiver."""


class Receiver:
    """A server on 127.0.0.1, for `with`. Its messages may be read from any thread."""

    def __init__(self) -> None:
        self.port = 0
        self._replies: dict[str, tuple[Reply, ...]] = {}
        self._messages: defaultdict[str, list[Message]] = defaultdict(list)
        self._taken: defaultdict[str, int] = defaultdict(int)
        self._changed = threading.Condition()
        self._release = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Listen, on the port of the last time."""
        self._server = _Server(("127.0.0.1", self.port), self._handler())
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._release.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(10)
            self._server = None
        self._release.clear()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def authority(self) -> str:
        """Its `host:port`, for allow-lists."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/hook") -> str:
        """The URL of `path`."""
        return f"http://{self.authority}{path}"

    def answer(self, path: str, *replies: Reply) -> None:
        """What `path` answers, in turn; the last one for good. What nobody said is a 204."""
        first = len(self._messages[path])
        self._replies[path] = (replies[0],) * first + replies

    def release(self) -> None:
        """Let the answers that are held go."""
        self._release.set()

    def messages(self, path: str = "/hook") -> list[Message]:
        """What came so far."""
        with self._changed:
            return list(self._messages[path])

    def next(self, path: str = "/hook", seconds: float = 15.0) -> Message:
        """Wait for the next message that was not taken yet."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._messages[path]) > self._taken[path], seconds):
                raise AssertionError(f"no message came to {path}, after {self._messages[path]}")
            self._taken[path] += 1
            return self._messages[path][self._taken[path] - 1]

    def until(self, reached: Callable[["Receiver"], bool], seconds: float = 15.0) -> None:
        """Wait until something is so."""
        with self._changed:
            if not self._changed.wait_for(lambda: reached(self), seconds):
                raise AssertionError("the receiver did not see it happen")

    def _take(self, message: Message) -> Reply:
        with self._changed:
            replies = self._replies.get(message.path, (Reply(),))
            reply = replies[min(len(self._messages[message.path]), len(replies) - 1)]
            self._messages[message.path].append(message)
            self._changed.notify_all()
        if reply.held:
            self._release.wait(60)
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fields = {name.lower(): value for name, value in self.headers.items()}
                reply = receiver._take(Message(self.path, fields, body))
                self.send_response(reply.status)
                for name, value in reply.fields:
                    self.send_header(name, value)
                if reply.endless:
                    self.send_header("Connection", "close")
                    self.end_headers()
                    while True:
                        self.wfile.write(bytes(1 << 16))
                if reply.status != 204:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
