"""The server of one process: it answers until it is asked to end, and lets what is under way end first."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from streamzip.logs import event

logger = logging.getLogger(__name__)

_DATED_EVERY: Final = 1.0  # seconds; the date that answers bear
_LOOK_EVERY: Final = 0.05  # seconds, at what is still under way
_CUT_WITHIN: Final = 5.0  # seconds that answers have to end in once their connections were cut


class Server(uvicorn.Server):
    """uvicorn's server with an end of its own.

    The first SIGTERM or SIGINT: nobody is let in any more, and what is under way has `stop_within` seconds. The second
    one, or the end of that time, cuts it. `leaving` is set at once. `is_worker`: a supervisor passes signals on, so
    that Ctrl-C, which reaches the terminal's whole group, is not counted twice.
    """

    def __init__(self, config: uvicorn.Config, leaving: asyncio.Event, *, stop_within: float, is_worker: bool) -> None:
        super().__init__(config)
        self._leaving = leaving
        self._stop_within = stop_within
        self._is_worker = is_worker
        self._asked = asyncio.Event()

    def end(self) -> None:
        """Ask the server to end, as the first signal does."""
        self.should_exit = True
        self._asked.set()

    async def main_loop(self) -> None:
        """Return when the server is asked to end; until then keep the answers' date. uvicorn's own loop looks ten times
        a second, which is half of what an idle process costs.
        """
        while not await self.on_tick(0):  # 0: one of uvicorn's ticks that write the date
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DATED_EVERY):
                    await self._asked.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals up in the event loop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGINT and self._is_worker:
            return
        self.force_exit = self.should_exit
        self.end()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in, wait for what is under way, and cut what is left."""
        self._leaving.set()
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._until_idle(self._stop_within, lambda: self.force_exit)
        left = list(self.server_state.connections)
        if left:
            event(logger, logging.WARNING, "cut_at_end", connections=len(left), asked_twice=self.force_exit)
            for connection in left:
                connection.transport.abort()
            await self._until_idle(_CUT_WITHIN, lambda: False)
        for task in self.server_state.tasks:
            task.cancel()

    async def _until_idle(self, seconds: float, hurried: Callable[[], bool]) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while self.server_state.connections or self.server_state.tasks:
            if hurried() or asyncio.get_running_loop().time() >= deadline:
                return
            await asyncio.sleep(_LOOK_EVERY)
