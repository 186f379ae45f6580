"""How an answer fails when nobody foresaw it."""

import json
import logging

import pytest
from starlette.requests import Request

from streamzip.edge.problems import on_http_error, on_problem, on_unexpected

REQUEST = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})


async def test_an_unexpected_error_is_logged_with_its_trace_and_told_without(caplog: pytest.LogCaptureFixture) -> None:
    """The client learns that it is our fault, and nothing of what it was."""
    error = OSError("/data/secret")
    with caplog.at_level(logging.ERROR):
        answer = await on_unexpected(REQUEST, error)
    document = json.loads(bytes(answer.body))
    assert (answer.status_code, document["code"]) == (500, "internal")
    assert "secret" not in str(document)
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is error


@pytest.mark.parametrize("handler", [on_problem, on_http_error])
async def test_a_handler_passes_an_error_of_another_kind_on(handler: object) -> None:
    """What is neither ours nor Starlette's must reach the handler of the unexpected."""
    assert callable(handler)
    with pytest.raises(ZeroDivisionError):
        await handler(REQUEST, ZeroDivisionError())
