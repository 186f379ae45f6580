"""Each request's id and its line in the log: who asked for what, and what came of it.

The id is the proxy's where a trusted one gives one, else it is made here. It is in the answer, in every line that is
logged for the request, and in a problem's document, so that a client's complaint leads to its lines.
"""

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamzip import metrics, tracing
from streamzip.edge.connection import Cut, connection_of
from streamzip.edge.proxies import Proxies, is_local, parsed
from streamzip.logs import REQUEST_ID, event, redact

logger = logging.getLogger(__name__)

ASKED_KEY: Final = "streamzip.asked"
SERVER_ERROR: Final = 500  # and above (RFC 9110 §15.6)
LEFT: Final = 499  # as nginx logs it: the client had gone before there was an answer

_GIVEN_ID = re.compile(rb"[\w.:/+=@-]{1,128}", re.ASCII)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
# Also as people mistype it: `//archive/NAME/`, `/Archive/NAME`, `/archive/get/../NAME`.
_SECRET_PLACE: Final = re.compile(r"(/++(?:download_link|archive)/)(?!get/++[^/]*+\Z)", re.IGNORECASE)
_PROBES: Final = frozenset({"/healthz", "/readyz", "/health_check"})


@dataclass(slots=True)
class Asked:
    """What is told of a request. `archive`: the one that it turned out to be about."""

    id: str
    method: str
    path: str
    archive: str | None = None
    is_download: bool = False  # which counts its bytes itself, as its client takes them


def about(scope: Scope, archive: str) -> None:
    """Note which archive a request is about; its path need not say."""
    asked: Asked | None = scope.get(ASKED_KEY)
    if asked is not None:
        asked.archive = archive


def counts_itself(scope: Scope) -> None:
    """Note that the answer counts its bytes itself, as its client takes them."""
    asked: Asked | None = scope.get(ASKED_KEY)
    if asked is not None:
        asked.is_download = True


def told_of(scope: Scope) -> dict[str, str]:
    """Return what a line about a request says beside its own: the path, and the archive where there is one."""
    asked: Asked | None = scope.get(ASKED_KEY)
    if asked is None:
        return {}
    archive = asked.archive or scope.get("path_params", {}).get("hash")
    return {"path": asked.path} | ({} if archive is None else {"archive": archive})


def shown_path(path: str) -> str:
    """Return the path as a log may show it: a folder's name is its secret, and so is a short-lived link's id."""
    secret = _SECRET_PLACE.match(path)
    return path if secret is None else f"{secret[1]}[redacted]"


class RequestLog:
    """An ASGI layer. `routes`: the paths of the endpoints, as they are declared. `lines`: whether each request has a
    line, those of health checks at `debug`.
    """

    def __init__(self, app: ASGIApp, proxies: Proxies, routes: Mapping[Any, str], *, lines: bool) -> None:
        self._app = app
        self._proxies = proxies
        self._routes = routes
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, sent, ended, first = time.monotonic(), 0, 0, False, 0.0
        asked = scope[ASKED_KEY] = Asked(self._id(scope), scope["method"], shown_path(scope["path"]))
        REQUEST_ID.set(asked.id)

        def told(message: Message) -> Awaitable[None]:
            nonlocal status, sent, ended, first
            if message["type"] == "http.response.start":
                status, first = message["status"], time.monotonic() - began
                message["headers"] = [*message["headers"], (b"x-request-id", asked.id.encode())]
            else:
                sent += len(message.get("body", b""))
                ended = not message.get("more_body", False)
            return send(message)

        try:
            with self._step(scope, asked) as step:
                try:
                    await self._app(scope, receive, told)
                finally:
                    self._tell(step, scope, asked, status or LEFT, sent)
        except Cut:
            raise
        except Exception:
            logger.exception("unexpected failure", extra={"fields": {"method": asked.method, **told_of(scope)}})
            if not ended:  # a status was sent, and a client must not take what followed for the whole
                await connection_of(scope, send).cut()
        finally:
            self._count(scope, asked, status or LEFT, first, 0 if asked.is_download else sent)
            if self._lines:
                _log(scope, asked, status, sent, time.monotonic() - began)

    def _count(self, scope: Scope, asked: Asked, status: int, first: float, sent: int) -> None:
        route = self._routes.get(scope.get("endpoint"), "other")
        metrics.REQUESTS.add(route, asked.method if asked.method in _METHODS else "other", str(status))
        metrics.SENT.add("other", amount=sent)
        if first:
            metrics.FIRST_BYTE.observe(first, route)

    def _id(self, scope: Scope) -> str:
        given = _fields(scope, b"x-request-id")
        if len(given) == 1 and _GIVEN_ID.fullmatch(given[0]) and self._trusts(scope):
            return given[0].decode("ascii")
        return secrets.token_hex(8)

    def _trusts(self, scope: Scope) -> bool:
        peer = None if scope["client"] is None else parsed(scope["client"][0])
        return is_local(scope) or self._proxies.trusts(peer)

    def _step(self, scope: Scope, asked: Asked) -> tracing.Step:
        """Begin the request's step; of what a proxy that is believed traces, it is a part (W3C Trace Context)."""
        if not tracing.traces() or asked.path in _PROBES:
            return tracing.NOTHING
        parents, told = _fields(scope, b"traceparent"), {}
        if len(parents) == 1 and self._trusts(scope):
            state = b",".join(_fields(scope, b"tracestate"))
            told = {"traceparent": parents[0].decode("latin-1"), "tracestate": state.decode("latin-1")}
        return tracing.step("request", asked.method if asked.method in _METHODS else "other", told)

    def _tell(self, step: tracing.Step, scope: Scope, asked: Asked, status: int, sent: int) -> None:
        if step is tracing.NOTHING:
            return
        route = self._routes.get(scope.get("endpoint"), "other")
        method = asked.method if asked.method in _METHODS else "other"
        step.rename(f"{method} {route}")
        step.tell(
            http__request__method=method,
            http__route=route,
            http__response__status_code=status,
            http__response__body__size=sent,
            url__scheme=scope["scheme"],
            url__path=redact(asked.path),
            client__address=None if scope["client"] is None else scope["client"][0],
            streamzip__archive=told_of(scope).get("archive"),
            streamzip__request_id=asked.id,
            error__type=str(status) if status >= SERVER_ERROR else None,
        )


def _fields(scope: Scope, name: bytes) -> list[bytes]:
    return [value for other, value in scope["headers"] if other == name]


def _log(scope: Scope, asked: Asked, status: int, sent: int, seconds: float) -> None:
    level = logging.DEBUG if asked.path in _PROBES else logging.INFO
    if not logger.isEnabledFor(level):
        return
    client = scope["client"]
    event(
        logger,
        level,
        "request",
        method=asked.method,
        **told_of(scope),
        status=status or LEFT,
        bytes=sent,
        seconds=round(seconds, 4),
        client=None if client is None else client[0],
    )
