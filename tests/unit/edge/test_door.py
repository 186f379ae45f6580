"""Answers that clients ask for and do not take: held within one budget for all connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from streamzip.edge.clients import MOST_UNTAKEN, Door
from streamzip.edge.door import behind

LENGTH = MOST_UNTAKEN // 4  # more than a kernel holds of it
CLIENTS = 12


async def long_answer(scope: Scope, receive: Receive, send: Send) -> None:
    """A document whose whole is given at once."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LENGTH)]})
    await send({"type": "http.response.body", "body": bytes(LENGTH)})


@contextlib.asynccontextmanager
async def serving(door: Door) -> AsyncIterator[int]:
    """Serve `long_answer` behind the door, at this port."""
    config, protocol = uvicorn.Config(long_answer, lifespan="off", access_log=False), behind(door)
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config, ServerState(), {}), "127.0.0.1", 0, start_serving=True
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_answers_that_nobody_takes_are_held_within_a_budget() -> None:
    """Who has waited longest is dropped; the others get all of theirs, and then nothing of them is counted."""
    door = Door(most=100, within=20, untaken=60)
    async with serving(door) as port:
        clients = []
        for _ in range(CLIENTS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 16)
            clients.append((reader, writer))
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            assert sum(door.answered.values()) <= MOST_UNTAKEN
        kept = len(door.answered)
        assert 3 < kept < CLIENTS
        for number, (reader, _) in enumerate(clients):
            whole = number >= CLIENTS - kept
            try:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(LENGTH)
            except (asyncio.IncompleteReadError, ConnectionError):
                assert not whole
            else:
                assert whole
        assert not door.answered
        for _, writer in clients:
            writer.transport.abort()
