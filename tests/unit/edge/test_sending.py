"""How a response that cannot be completed ends its connection."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
from starlette.types import Message, Receive, Scope, Send

from streamzip.edge.connection import SCOPE_KEY, Connection
from streamzip.edge.sending import StreamedResponse
from streamzip.errors import NotReady

LONG = {"ETag": '"1"', "Content-Length": "1000"}


class Wire:
    """A connection that notes how it is ended; its client has taken everything when `taken` is set."""

    closing = False

    def __init__(self, *, takes: bool) -> None:
        self.ended: list[str] = []
        self._takes = takes
        self._left = asyncio.Event()

    def untaken(self) -> int:
        return 0

    def close(self) -> None:
        self.ended.append("in order")
        if self._takes:
            self._left.set()

    async def cut(self) -> None:
        self.ended.append("reset")

    async def receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, _: Message) -> None:
        pass


async def broken() -> AsyncGenerator[bytes, None]:
    """A first run, and a failure."""
    yield b"some"
    raise NotReady("broke")


@pytest.mark.parametrize(
    ("headers", "takes", "ended"),
    [
        (LONG, True, ["in order"]),
        (LONG, False, ["in order", "reset"]),
        ({"ETag": '"1"'}, True, ["reset"]),
        ({"Content-Length": "1000"}, True, ["reset"]),
        ({}, True, ["reset"]),
    ],
)
async def test_response_that_breaks_ends_in_order_only_where_nobody_takes_it_for_whole(
    headers: dict[str, str], takes: bool, ended: list[str]
) -> None:
    """With a length and an ETag the client has all that was sent, and goes on from there; one that does not take it
    is cut in the end. Without them a reset alone is an end that every client knows for a failure.
    """
    wire = Wire(takes=takes)
    scope: Scope = {SCOPE_KEY: cast(Connection, wire)}
    response = StreamedResponse(broken(), 200, headers, write_timeout=0.05)
    await response(scope, cast(Receive, wire.receive), cast(Send, wire.send))
    assert wire.ended == ended


async def test_nothing_more_is_read_once_the_socket_has_failed() -> None:
    """What is sent to it is dropped at once, without a turn of the loop in which the server could say so."""
    wire, read = Wire(takes=True), 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal read
        while True:
            read += 1
            wire.closing = read == 3
            yield b"some"

    scope: Any = {SCOPE_KEY: cast(Connection, wire)}
    response = StreamedResponse(endless(), 200, LONG, write_timeout=10)
    await response(scope, cast(Receive, wire.receive), cast(Send, wire.send))
    assert read == 3


@pytest.mark.parametrize(("length", "outcome"), [("8", "whole"), ("9", "left")])
async def test_download_is_whole_when_its_client_leaves_with_the_last_byte(
    length: str, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that counts the bytes of the length is gone before the server is told that these were the last."""
    wire = Wire(takes=True)

    async def two() -> AsyncGenerator[bytes, None]:
        yield b"some"
        wire.closing = True
        yield b"more"

    scope: Any = {SCOPE_KEY: cast(Connection, wire), "path": "/archive/get/1.zip", "client": None}
    response = StreamedResponse(two(), 200, LONG | {"Content-Length": length}, write_timeout=10, download=True)
    with caplog.at_level("INFO"):
        await response(scope, cast(Receive, wire.receive), cast(Send, wire.send))
    [record] = caplog.records
    assert record.fields["outcome"] == outcome  # type: ignore[attr-defined]


async def test_others_have_their_turn_between_the_runs_of_a_client_that_takes_all_at_once() -> None:
    """Of fifty clients as fast as the gateway the last one waited for the whole archives of the others."""
    wire, turns = Wire(takes=True), 0

    async def runs() -> AsyncGenerator[bytes, None]:
        for _ in range(100):
            yield b"some"

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    scope: Scope = {SCOPE_KEY: cast(Connection, wire)}
    beside = asyncio.create_task(other())
    await StreamedResponse(runs(), 200, LONG, write_timeout=5.0)(
        scope, cast(Receive, wire.receive), cast(Send, wire.send)
    )
    beside.cancel()
    assert turns >= 100


async def test_looks_at_what_readers_take_fall_together_and_do_not_slip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first one at a full second, the others after the same time each, so that those of all responses come in one
    turn of the loop. Those of a short write timeout keep to it: a second would be a multiple.
    """
    slept: list[float] = []
    now = 7.2

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds + 0.001  # a timer is never early
        slept.append(now)

    class Stuck(Wire):
        def untaken(self) -> int:
            return 4

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    response = StreamedResponse(broken(), 200, LONG, write_timeout=60.0)
    assert await response._stalled(cast(Connection, Stuck(takes=False)), every=15.0)
    assert slept == pytest.approx([23.0, 38.0, 53.0, 68.0, 83.0], abs=0.01)
    slept.clear()
    now = 7.2
    response = StreamedResponse(broken(), 200, LONG, write_timeout=4.0)
    assert await response._stalled(cast(Connection, Stuck(takes=False)), every=1.0)
    assert slept == pytest.approx([8.2, 9.2, 10.2, 11.2, 12.2], abs=0.01)
