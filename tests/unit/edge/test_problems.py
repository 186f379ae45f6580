"""How an answer fails when nobody foresaw it."""

import errno
import json
import logging
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamzip.edge.connection import SCOPE_KEY
from streamzip.edge.problems import on_disk_error, on_http_error, on_problem, on_unexpected
from streamzip.edge.proxies import Proxies
from streamzip.edge.request_log import RequestLog

REQUEST = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})


class Bare:
    """An ASGI application as an endpoint: Starlette wraps functions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class Cutting:
    """A connection that notes whether it was cut."""

    was_cut = False

    async def cut(self) -> None:
        """Note it."""
        self.was_cut = True


@pytest.mark.parametrize("begun", [False, True])
async def test_an_unexpected_error_is_logged_once_with_its_trace_and_told_without(
    begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The client learns that it is our fault, and nothing of what it was; one that has a status already is cut. The
    server, which would log it again, learns of nothing.
    """
    error, sent, connection = OSError("/data/secret"), [], Cutting()

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    app = Starlette(routes=[Route("/", cast(Any, Bare(endpoint)))], exception_handlers={Exception: on_unexpected})
    scope = {**REQUEST.scope, SCOPE_KEY: connection, "client": ("192.0.2.1", 1)}
    with caplog.at_level(logging.INFO):
        await RequestLog(app, Proxies([]), {}, lines=True)(scope, receive, send)
    failure, line = caplog.records
    assert failure.exc_info is not None
    assert failure.exc_info[1] is error
    assert line.getMessage() == "request"
    assert connection.was_cut == begun
    if not begun:
        document = json.loads(sent[1]["body"])
        assert (sent[0]["status"], document["code"]) == (500, "internal")
        assert "secret" not in str(document)


@pytest.mark.parametrize("handler", [on_problem, on_http_error])
async def test_a_handler_passes_an_error_of_another_kind_on(handler: object) -> None:
    """What is neither ours nor Starlette's must reach the handler of the unexpected."""
    assert callable(handler)
    with pytest.raises(ZeroDivisionError):
        await handler(REQUEST, ZeroDivisionError())


async def test_a_disk_that_is_full_is_told_without_the_files_name() -> None:
    """The client may try again, and learns nothing of the machine; what no disk said is left to the next handler."""
    response = await on_disk_error(REQUEST, OSError(errno.ENOSPC, "No space left on device", "/data/secret"))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "10")
    assert json.loads(bytes(response.body))["code"] == "disk_unavailable"
    assert b"secret" not in bytes(response.body)
    for error in (ValueError("no disk"), OSError("no number"), ConnectionResetError(errno.ECONNRESET, "left")):
        with pytest.raises(type(error)):
            await on_disk_error(REQUEST, error)
