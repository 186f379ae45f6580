"""A server that nobody asks sleeps, and ends at once when it is asked to."""

import asyncio
import time

import pytest
import uvicorn

from streamzip.process import server
from streamzip.process.server import Server


async def test_server_wakes_for_the_date_alone_and_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One tick a second, not uvicorn's ten; whoever asks it to end does not wait for the next one."""
    assert server._DATED_EVERY >= 1.0
    monkeypatch.setattr(server, "_DATED_EVERY", 3600.0)
    config = uvicorn.Config(lambda: None, loop="none", ws="none", lifespan="off", log_config=None)
    config.load()
    quiet = Server(config, asyncio.Event(), stop_within=1.0, is_worker=False)
    ticks, on_tick = [], quiet.on_tick

    async def counted(counter: int) -> bool:
        ticks.append(counter)
        return await on_tick(counter)

    monkeypatch.setattr(quiet, "on_tick", counted)
    began, running = time.monotonic(), asyncio.create_task(quiet.main_loop())
    await asyncio.sleep(0)
    assert dict(quiet.server_state.default_headers)[b"date"]
    quiet.end()
    await running
    assert len(ticks) == 2
    assert time.monotonic() - began < 60.0
