"""Hosts that throttle: so many requests a second, so many exchanges at once, and a refusal for whatever is beyond."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from tests.support.origin import Answer, File, Origin, Raw, Reply, Request, Status

WINDOW = 1.0  # seconds


def refusal(code: int, *, after: str | None = None, date: float | None = None) -> Answer:
    """A refusal that ends its connection; `date`: seconds from now that Retry-After names as a date."""
    asked = after if date is None else formatdate(time.time() + date, usegmt=True)
    wait = "" if asked is None else f"Retry-After: {asked}\r\n"
    return Raw(f"HTTP/1.1 {code} No\r\n{wait}Connection: close\r\nContent-Length: 0\r\n\r\n".encode())


@dataclass
class Limits:
    """What a host allows. `refusal`: made of nothing, so that a date in it can be of now."""

    origin: Origin | None = None  # whose connections are counted
    rate: int | None = None  # requests a second
    connections: int | None = None
    closed_for: float = 0.0  # seconds from the first request on in which it refuses all
    refusal: Callable[[], Answer] = field(default=lambda: Status(429))
    answers: list[tuple[float, bool]] = field(default_factory=list)  # when, and whether it was refused
    _passed: "deque[float]" = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def file(self, file: File) -> Reply:
        """This file, within the limits."""

        def choose(request: Request) -> Answer:
            with self._lock:
                now = time.monotonic()
                since = now - (self.answers[0][0] if self.answers else now)
                while self._passed and now - self._passed[0] >= WINDOW:
                    self._passed.popleft()
                refused = since < self.closed_for or (self.rate is not None and len(self._passed) >= self.rate)
                if self.origin is not None and self.connections is not None:
                    refused |= request.connection not in sorted(self.origin.live_connections)[: self.connections]
                self.answers.append((now, refused))
                if not refused:
                    self._passed.append(now)
            return self.refusal() if refused else file

        return Reply(choose)

    def refused_after(self, seconds: float) -> float:
        """Return the share of its answers that were refusals, from so long after its first one."""
        first = self.answers[0][0]
        late = [refused for at, refused in self.answers if at - first >= seconds]
        return sum(late) / max(1, len(late))
